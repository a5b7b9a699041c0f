# The front door: `make` lists what there is. Every target installs what it needs.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements.lock pyproject.toml deploy/bootstrap.sh
	@deploy/bootstrap.sh

##@ To play and to run
.PHONY: up down status logs clean-data demo
EMBEDDED := $(PY) -m deploy.embedded
DATA := $(if $(DATA_DIR),--data-dir "$(DATA_DIR)")

up: $(STAMP) ## start the whole platform here; Ctrl-C stops it (PORTS="gateway.public=8181", PUBLIC_URL=, DATA_DIR=)
	@exec $(EMBEDDED) up $(DATA) $(if $(PUBLIC_URL),--public-url "$(PUBLIC_URL)") \
	  $(if $(filter ephemeral,$(PORTS)),--ports ephemeral,$(foreach port,$(PORTS),--port $(port)))

down: $(STAMP) ## stop it from another terminal
	@$(EMBEDDED) down $(DATA)

status: $(STAMP) ## show every process: state, memory, addresses
	@$(EMBEDDED) status $(DATA)

logs: $(STAMP) ## show and follow the logs (SERVICE=backend for one)
	@exec $(EMBEDDED) logs $(DATA) $(SERVICE)

clean-data: $(STAMP) ## remove all games, accounts and mail (asks first; YES=1 does not)
	@$(EMBEDDED) clean-data $(DATA) $(if $(YES),--yes)

demo: $(STAMP) ## watch two scripted players on a running platform: ten turns, events, mails, a picture of the map
	@$(PY) -m client.demo $(DATA) $(DEMO)

##@ With Docker
.PHONY: up-docker down-docker clean-docker engine-image
STACK ?= local-dev

up-docker: $(STAMP) ## the same platform in containers, by compose (STACK=dev-deploy for the shared environment)
	@deploy/compose/stack.sh $(STACK) up

down-docker: $(STAMP) ## stop it, its engines too; the data stays
	@deploy/compose/stack.sh $(STACK) down

clean-docker: $(STAMP) ## remove that stack with its engines, networks and data; nothing else is touched
	@deploy/compose/stack.sh $(STACK) clean

engine-image: ## build the image of the engine, galaxy/game:dev
	@deploy/docker/build.sh engine

##@ For developers
# Most tests wait for processes and stores: more of them than cores keep the cores busy.
JOBS := 4

.PHONY: check test test-unit integration
check: $(STAMP) ## what reviewers run: format, lint, types, import contracts, wire contracts, stubs up to date
	@$(VENV)/bin/ruff format --check --quiet . && $(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/mypy
	@PYTHONPATH=.:proto $(VENV)/bin/lint-imports --no-cache --no-logo
	@$(VENV)/bin/buf lint
	@proto/generate.sh --check

test: $(STAMP) ## every test; container tests run where a Docker Engine answers
	@$(PY) -m pytest -n $(JOBS)
	@$(PY) -m pytest integration -n 2 --dist loadfile

test-unit: $(STAMP) ## the quick ones alone: no stores, no containers, no browser
	@$(PY) -m pytest -n $(JOBS) -m "not stores and not containers and not browser"

integration: $(STAMP) ## user stories on an isolated stack
	@$(PY) -m pytest integration -n 2 --dist loadfile

##@ Measured, each ending in one line of JSON
.PHONY: bench-engine bench-gateway bench-mail bench-outbox bench-start chaos-mail
BESIDE_STORES := $(PY) -m deploy.embedded.with_stores
bench-engine: $(STAMP) ## how long a turn takes, and what an idle engine holds
	@$(PY) -m engine.bench

bench-gateway: $(STAMP) ## commands through the whole pipeline, against a bare gRPC server doing the same work
	@$(BESIDE_STORES) sh -c '$(PY) -m gateway.bench --redis "$$GALAXY_TEST_REDIS_URL"'

bench-start: $(STAMP) ## how long the whole platform takes to be ready, first and warm, and its memory
	@$(PY) -m deploy.bench

bench-mail: $(STAMP) ## mails a second, against a bare SMTP client on the same relay
	@$(BESIDE_STORES) $(PY) -m mail.bench

PEERS := $(VENV)/peers
$(PEERS)/.installed: $(STAMP) kit/outbox/bench/peers.lock
	@$(PY) -m uv venv --quiet --allow-existing --python $(PY) $(PEERS)
	@$(PY) -m uv pip sync --quiet --python $(PEERS)/bin/python --require-hashes kit/outbox/bench/peers.lock
	@touch $@

bench-outbox: $(PEERS)/.installed ## outbox entries a second, against PgQueuer and Procrastinate, also under a held snapshot
	@$(BESIDE_STORES) $(PY) -m kit.outbox.bench --peers $(PEERS)/bin/python

chaos-mail: $(STAMP) ## kill the mail service at random, count what was lost and doubled
	@$(BESIDE_STORES) $(PY) -m mail.chaos

##@ Generated
.PHONY: proto seeds lock
proto: $(STAMP) ## renew the generated stubs
	@proto/generate.sh

seeds: $(STAMP) ## renew the last column of docs/seeds.md from the docstrings of tests
	@$(PY) -m integration.seeds_table

lock: $(STAMP) ## renew requirements.lock from pyproject.toml (hashes, no index address)
	@$(PY) -m uv pip compile --quiet --generate-hashes --universal --all-extras --group dev --no-emit-index-url \
	  --no-annotate --no-header --python-version 3.11 pyproject.toml --output-file requirements.lock
	@$(PY) -m uv pip compile --quiet --generate-hashes --universal --group peers --no-emit-index-url \
	  --no-annotate --no-header --python-version 3.11 --output-file kit/outbox/bench/peers.lock
	@$(PY) deploy/docker/locked_subset.py --write
