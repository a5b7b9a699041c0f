#!/usr/bin/env bash
# The platform by compose: deploy/compose/stack.sh STACK COMMAND
#
#   STACK     local-dev (one machine, mail catcher) or dev-deploy (shared, behind a proxy, with a real relay)
#   up        make secrets, images and stores as needed, start everything, wait until it is healthy
#   down      stop services and engines; the data stays
#   clean     remove the stack with its engines, networks and data; asks nothing
#   reap      remove the stack's exited and dead containers
#   logs      follow the logs        config    show the file as compose reads it
#
# GALAXY_STACK_NAME gives the stack another name and label than STACK, so that two of a kind live on one machine (with ports
# of their own); every command about it wants the same name again.
#
# Nothing is touched that does not carry the label galaxy.stack=NAME; engines are chosen by that label AND by the title
# of their image, so neither another stack's engines nor foreign containers are ever meant.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
tools=$root/deploy/docker
stack=${1:-}
command=${2:-}
[[ $stack =~ ^(local-dev|dev-deploy)$ ]] || { sed -n '2,15p' "${BASH_SOURCE[0]}" >&2; exit 2; }
export GALAXY_STACK_NAME=${GALAXY_STACK_NAME:-$stack}
name=$GALAXY_STACK_NAME
[[ $name =~ ^[a-z0-9][a-z0-9-]{0,30}$ ]] || { printf 'stack: GALAXY_STACK_NAME wants small letters, digits and hyphens: %s\n' "$name" >&2; exit 2; }
folder=${GALAXY_DOCKER_HOME:-$root/.galaxy-docker}/$name
wait_limit=${GALAXY_STACK_WAIT:-180}

say() { printf 'stack: %s\n' "$*"; }
fail() { printf 'stack: %s\n' "$*" >&2; exit 1; }
docker() { "$tools/client.sh" "$@"; }
compose() {
  "$tools/compose.sh" --env-file "$folder/stack.env" --project-name "galaxy-$name" --file "$here/$stack.yml" "$@"
}

prepare() {
  [ -x "$root/.venv/bin/python" ] || "$root/deploy/bootstrap.sh"
  (cd "$root" && .venv/bin/python -m deploy.compose.prepare "$folder") >/dev/null
}

reap() { "$tools/remove.sh" ended "$name"; }

wait_until_healthy() {
  local deadline=$((SECONDS + wait_limit)) waiting
  while true; do
    waiting=$(docker ps --all --filter "label=com.docker.compose.project=galaxy-$name" --format '{{.Names}} {{.Status}}' \
      | grep -v '(healthy)' || true)
    if [ -z "$waiting" ]; then return 0; fi
    if ((SECONDS >= deadline)); then
      printf '%s\n' "$waiting" >&2
      compose logs --tail 40 >&2
      fail "not healthy after $wait_limit s: the services above (their last lines stand there too)"
    fi
    sleep 0.5
  done
}

up() {
  "$tools/install-engine.sh" --check >/dev/null || fail "no Docker Engine answers; start yours, or as root run deploy/docker/install-engine.sh"
  local started=$SECONDS
  "$tools/offline-bases.sh" --if-needed
  local images=(engine gateway backend notification mail)
  if [ "$stack" = local-dev ]; then images+=(mailcatcher); fi
  TAG=${GALAXY_TAG:-dev} "$tools/build.sh" "${images[@]}"
  prepare
  reap
  compose up --detach --no-build --remove-orphans
  wait_until_healthy
  say "$name is up after $((SECONDS - started)) s"
  say "  players    ${GALAXY_PUBLIC_URL:-http://127.0.0.1:${GALAXY_PUBLIC_PORT:-8080}} (edge on port ${GALAXY_EDGE_PORT:-9090})"
  say "  operators  http://127.0.0.1:${GALAXY_OPERATOR_PORT:-8090}, operator, first password: $(sed -n 's/^GALAXY_OPERATOR_PASSWORD=//p' "$folder/stack.env")"
  if [ "$stack" = local-dev ]; then say "  mail       http://127.0.0.1:${GALAXY_MAIL_PORT:-8025}"; fi
}

down() {
  prepare
  # The backend first, or it would start its engines again; then the engines, or their network could not be removed.
  compose stop
  "$tools/remove.sh" engines "$name"
  compose down --remove-orphans
}

clean() {
  down || true
  local kind found
  for kind in volume network; do
    while read -r found; do
      docker "$kind" rm "$found" >/dev/null && say "removed $kind $found"
    done < <(docker "$kind" ls --quiet --filter "label=galaxy.stack=$name")
  done
  rm -rf "$folder"
}

case $command in
  up | down | clean | reap) "$command" ;;
  logs) prepare; compose logs --follow --tail 100 ;;
  config) prepare; compose config ;;
  *) sed -n '2,15p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
