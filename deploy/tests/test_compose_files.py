"""The compose files: what they promise operators, and that both generations of compose can read them."""

import importlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import docker
import pytest
import yaml  # type: ignore[import-untyped]  # PyYAML brings no types

from deploy.compose.prepare import variables
from kit.settings import ServiceSettings
from kit.settings import variables as known_variables

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "deploy" / "compose"
STACKS = ("local-dev", "dev-deploy")
OUR_OWN = ("gateway", "backend", "notification", "mail")
CALLER_OF_DEV_DEPLOY = {
    "GALAXY_PUBLIC_URL": "https://galaxy.example",
    "GALAXY_ADMIN_EMAIL": "operator@galaxy.example",
    "GALAXY_SMTP_HOST": "relay.galaxy.example",
    "GALAXY_SMTP_FROM": "Galaxy <no-reply@galaxy.example>",
}


def text_of(stack: str) -> str:
    return (COMPOSE / f"{stack}.yml").read_text(encoding="utf-8")


def read(stack: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(text_of(stack))
    return content


def named(stack: str) -> str:
    """Return how the file writes its stack's name: the caller's, or else the file's own."""
    return f"${{GALAXY_STACK_NAME:-{stack}}}"


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("kind", ["services", "networks", "volumes"])
def test_everything_carries_the_label_of_its_stack(stack: str, kind: str) -> None:
    """backend-runbook:24-26."""
    entries = read(stack)[kind]
    assert entries
    for name, entry in entries.items():
        assert entry["labels"] == {"galaxy.stack": named(stack)}, f"{kind}: {name}"


@pytest.mark.parametrize("stack", STACKS)
def test_backend_is_told_the_label_for_its_engines(stack: str) -> None:
    """backend-runbook:33-37: both files hand their stack's name to the backend."""
    backend = read(stack)["services"]["backend"]
    assert backend["environment"]["BACKEND_STACK_LABEL"] == named(stack)


@pytest.mark.parametrize("stack", STACKS)
def test_only_the_backend_sees_the_docker_socket_and_nobody_is_root(stack: str) -> None:
    """backend-runbook:58-61 and backend-runbook:175-178."""
    for name, service in read(stack)["services"].items():
        mounts = " ".join(str(volume) for volume in service.get("volumes", []))
        assert ("docker.sock" in mounts) == (name == "backend"), name
        assert "user" not in service, name
        assert not service.get("privileged"), name


@pytest.mark.parametrize("stack", STACKS)
def test_every_service_has_a_health_check_and_our_own_a_read_only_root(stack: str) -> None:
    for name, service in read(stack)["services"].items():
        assert service["healthcheck"]["test"], name
        if name not in {"postgres", "redis"}:
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name


@pytest.mark.parametrize("stack", STACKS)
def test_redis_keeps_an_append_only_file_and_a_password_and_no_encryption(stack: str) -> None:
    """gateway-runbook-latest:28-29: password-protected, and TLS is off by policy."""
    command = read(stack)["services"]["redis"]["command"]
    assert command[command.index("--appendonly") + 1] == "yes"
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
    assert "--requirepass" in command
    assert "tls" not in " ".join(command)
    assert "REDIS_TLS" not in text_of(stack)


@pytest.mark.parametrize("stack", STACKS)
def test_ports_are_published_on_a_named_address_only(stack: str) -> None:
    for name, service in read(stack)["services"].items():
        for port in service.get("ports", []):
            assert re.match(r"127\.0\.0\.1:|\$\{GALAXY_BIND:-127\.0\.0\.1\}:", port), f"{name}: {port}"


@pytest.mark.parametrize("stack", STACKS)
def test_file_uses_nothing_that_one_generation_of_compose_refuses(stack: str) -> None:
    content = read(stack)
    assert set(content) <= {
        "services",
        "networks",
        "volumes",
        *(key for key in content if key.startswith("x-")),
    }
    for name, service in content["services"].items():
        assert not {"develop", "env_file", "extends", "attach", "annotations"} & set(service), name
        assert "start_interval" not in service["healthcheck"], name
        for needed in service.get("depends_on", {}).values():
            assert set(needed) == {"condition"}, name


@pytest.mark.parametrize("stack", STACKS)
def test_every_demanded_variable_is_made_or_the_callers_own(stack: str, tmp_path: Path) -> None:
    demanded = set(re.findall(r"\$\{(\w+):\?", text_of(stack)))
    made = variables(tmp_path, {}, tmp_path / "none.env")
    assert demanded - set(made) == (set(CALLER_OF_DEV_DEPLOY) if stack == "dev-deploy" else set())


def test_secrets_of_a_stack_are_kept_and_the_callers_environment_wins(tmp_path: Path) -> None:
    first = variables(tmp_path, {}, tmp_path / "none.env")
    offline = tmp_path / "offline.env"
    offline.write_text("BASE_IMAGE=local/python:3.11\n")
    again = variables(tmp_path, {"GALAXY_ENGINE_VERSION": "9.9.9"}, offline)
    assert again == first | {"GALAXY_ENGINE_VERSION": "9.9.9", "BASE_IMAGE": "local/python:3.11"}


def test_both_stacks_give_a_service_the_same_variables() -> None:
    """Apart from limits that only one's own machine relaxes, and from what a relay and a proxy need."""
    local, shared = (read(stack)["services"] for stack in STACKS)
    assert set(local) - set(shared) == {"mailcatcher"}
    relaxed = {
        "BACKEND_AUTH_CODES_PER_ADDRESS_HOUR",
        "BACKEND_AUTH_CODES_PER_IP_HOUR",
        "BACKEND_LOBBY_TURN_PERIOD_MIN",
    }
    login = {"MAIL_SMTP_USERNAME", "MAIL_SMTP_PASSWORD"}
    proxy = {"GATEWAY_TRUSTED_PROXIES", "GATEWAY_CORS_ORIGINS"}
    for name, service in shared.items():
        assert set(service["environment"]) - login - proxy == set(local[name]["environment"]) - relaxed, name


@pytest.mark.parametrize("stack", STACKS)
def test_services_share_one_redis_and_the_gateway_one_backend(stack: str) -> None:
    """gateway-runbook-latest:27-28 and gateway-runbook-latest:91-92; gateway-runbook-redis-streams:44."""
    services = read(stack)["services"]
    for variable in ("REDIS_MASTER_ADDR", "REDIS_KEY_PREFIX"):
        assert len({services[name]["environment"][f"{name.upper()}_{variable}"] for name in OUR_OWN}) == 1
    gateway = services["gateway"]["environment"]
    assert gateway["GATEWAY_BACKEND_HTTP_URL"] == "http://backend:8090"
    assert gateway["GATEWAY_BACKEND_GRPC_PUSH_URL"] == "backend:8091"


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("service", [name for name in OUR_OWN if (ROOT / name / "settings.py").exists()])
def test_services_accept_the_variables_they_are_given(
    stack: str, service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loads the service's own settings from them: an unknown, missing or retired variable stops it.

    backend-runbook:51-52.
    """
    given = variables(tmp_path, CALLER_OF_DEV_DEPLOY, tmp_path / "none.env") | CALLER_OF_DEV_DEPLOY
    environment = {
        name: re.sub(
            r"\$\{(\w+)(?::-([^}]*)|:\?[^}]*)\}", lambda found: given.get(found[1], found[2] or ""), value
        )
        for name, value in read(stack)["services"][service]["environment"].items()
    }
    for name in os.environ:
        if name.startswith(f"{service.upper()}_"):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    module = importlib.import_module(f"{service}.settings")
    (settings,) = (
        entry
        for entry in vars(module).values()
        if isinstance(entry, type) and issubclass(entry, ServiceSettings) and entry is not ServiceSettings
    )
    settings.load()
    assert set(environment) <= {variable.name for variable in known_variables(settings)}


@pytest.mark.containers
@pytest.mark.usefixtures("docker_engine")
@pytest.mark.parametrize("stack", STACKS)
def test_compose_of_this_machine_reads_the_file(stack: str, tmp_path: Path) -> None:
    """The generation at hand; the other one is guarded by the keys above."""
    read_back = subprocess.run(
        [COMPOSE / "stack.sh", stack, "config"],
        env={**os.environ, **CALLER_OF_DEV_DEPLOY, "GALAXY_DOCKER_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert set(yaml.safe_load(read_back.stdout)["services"]) == set(read(stack)["services"])


@pytest.mark.containers
@pytest.mark.usefixtures("docker_engine")
@pytest.mark.parametrize("stack", STACKS)
def test_a_second_stack_of_a_kind_shares_no_name_with_the_first(stack: str, tmp_path: Path) -> None:
    def read_as(name: str | None) -> tuple[set[str], set[str]]:
        given = {"GALAXY_STACK_NAME": name} if name else {}
        text = subprocess.run(
            [COMPOSE / "stack.sh", stack, "config"],
            env={**os.environ, **CALLER_OF_DEV_DEPLOY, "GALAXY_DOCKER_HOME": str(tmp_path), **given},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        content = yaml.safe_load(text)
        entries = [entry for kind in ("networks", "volumes") for entry in content[kind].values()]
        labels = {entry["labels"]["galaxy.stack"] for entry in [*entries, *content["services"].values()]}
        return {entry["name"] for entry in entries}, labels

    first, second = read_as(None), read_as("other")
    assert first[1] == {stack}
    assert second[1] == {"other"}
    assert not first[0] & second[0]


def test_a_name_that_no_label_could_carry_is_refused(tmp_path: Path) -> None:
    refused = subprocess.run(
        [COMPOSE / "stack.sh", "local-dev", "config"],
        env={**os.environ, "GALAXY_DOCKER_HOME": str(tmp_path), "GALAXY_STACK_NAME": "../up"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert refused.returncode == 2
    assert "GALAXY_STACK_NAME" in refused.stderr
    assert not list(tmp_path.iterdir())


@pytest.fixture
def containers(engine_image: str) -> Iterator[dict[str, str]]:
    """Name → id of created containers: two of one stack, one of another, one that is nobody's."""
    client = docker.from_env()
    base = f"test-{uuid4().hex[:8]}"
    wanted = {
        "our-engine": {"galaxy.stack": base},
        "our-service": {"galaxy.stack": base, "org.opencontainers.image.title": "galaxy-gateway"},
        "their-engine": {"galaxy.stack": f"{base}-other"},
        "nobodys": {},
    }
    made = {
        name: client.containers.create(engine_image, labels=labels, name=f"{base}-{name}")
        for name, labels in wanted.items()
    }
    try:
        yield {"stack": base} | {name: str(container.id) for name, container in made.items()}
    finally:
        for container in client.containers.list(all=True, filters={"name": base}):
            container.remove(force=True)
        client.close()


@pytest.mark.containers
def test_removing_engines_needs_the_stack_label_and_the_image_title(containers: dict[str, str]) -> None:
    """backend-runbook:27-29: another stack's engines, our services and foreign containers stay."""
    _remove("engines", containers["stack"])
    assert _standing(containers) == {"our-service", "their-engine", "nobodys"}


@pytest.mark.containers
def test_ended_containers_of_the_stack_alone_are_reaped(containers: dict[str, str]) -> None:
    """backend-runbook:30-31."""
    client = docker.from_env()
    for name in ("our-engine", "their-engine", "nobodys"):  # without a token an engine ends at once
        ended = client.containers.get(containers[name])
        ended.start()
        ended.wait(timeout=30)
    client.close()
    _remove("ended", containers["stack"])
    assert _standing(containers) == {"our-service", "their-engine", "nobodys"}


def test_removing_without_a_stack_is_refused() -> None:
    refused = subprocess.run(
        [ROOT / "deploy" / "docker" / "remove.sh", "engines", ""], capture_output=True, check=False
    )
    assert refused.returncode == 2


def _remove(which: str, stack: str) -> None:
    subprocess.run([ROOT / "deploy" / "docker" / "remove.sh", which, stack], check=True, timeout=60)


def _standing(containers: dict[str, str]) -> set[str]:
    listed = subprocess.run(
        [ROOT / "deploy" / "docker" / "client.sh", "ps", "--all", "--no-trunc", "--format", "{{json .ID}}"],
        check=True,
        capture_output=True,
        text=True,
    )
    ids = {json.loads(line) for line in listed.stdout.splitlines()}
    return {name for name, container in containers.items() if container in ids}
