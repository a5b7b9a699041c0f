#!/usr/bin/env bash
# Gives this machine a Docker Engine and a compose command when it has none, from Debian's own packages.
# Does nothing where an engine answers already. Needs root and Debian (or Ubuntu) only when something is missing.
# Safe to repeat; two at once wait for one another.
#
#   deploy/docker/install-engine.sh            install and start what is missing
#   deploy/docker/install-engine.sh --check    only say whether an engine answers (exit 0 or 1)
#
# The daemon it starts runs on after this script: its pid stands in $GALAXY_DOCKERD_PIDFILE, its log in
# $GALAXY_DOCKERD_LOG.
set -euo pipefail

limit_seconds=${GALAXY_DOCKERD_START_LIMIT:-90}
pidfile=${GALAXY_DOCKERD_PIDFILE:-/var/run/docker.pid}
log=${GALAXY_DOCKERD_LOG:-/var/log/galaxy-dockerd.log}
socket=/var/run/docker.sock
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf 'docker: %s\n' "$*"; }
fail() { printf 'docker: %s\n' "$*" >&2; exit 1; }

client() { "$here/client.sh" "$@"; }

server_version() { timeout 10 "$here/client.sh" version --format '{{.Server.Version}}' 2>/dev/null; }

have_compose() { "$here/compose.sh" version >/dev/null 2>&1; }

install_packages() {
  command -v apt-get >/dev/null || fail "no Docker Engine answers and this machine has no apt-get; install Docker by hand (https://docs.docker.com/engine/install/)"
  say "installing from Debian's packages: $*"
  local output
  output=$(mktemp)
  # A first try without refreshing the package lists saves half a minute where they are fresh.
  if ! DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null >"$output" 2>&1; then
    if ! { apt-get update -qq </dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null; } >"$output" 2>&1; then
      tail -n 20 "$output" >&2
      rm -f "$output"
      fail "the packages could not be installed (the lines above say why)"
    fi
  fi
  rm -f "$output"
}

overlay_is_possible() {
  # Asks the kernel instead of guessing: an overlay upon an overlay (a container's own root) is refused there.
  local probe
  mkdir -p /var/lib/docker
  probe=$(mktemp -d /var/lib/docker/.overlay-probe.XXXXXX)
  mkdir "$probe/lower" "$probe/upper" "$probe/work" "$probe/merged"
  local result=1
  if mount -t overlay overlay -o "lowerdir=$probe/lower,upperdir=$probe/upper,workdir=$probe/work" "$probe/merged" 2>/dev/null; then
    umount "$probe/merged" && result=0
  fi
  rm -rf "$probe"
  return $result
}

storage_arguments() {
  # A data folder that was used before names its driver itself; the daemon finds it again.
  if [ -d /var/lib/docker/image ] && [ -n "$(ls -A /var/lib/docker/image)" ]; then return; fi
  if overlay_is_possible; then return; fi
  if [ -e /dev/fuse ]; then
    command -v fuse-overlayfs >/dev/null || install_packages fuse-overlayfs >&2
    echo "--storage-driver=fuse-overlayfs"
  else
    echo "--storage-driver=vfs"
  fi
}

start_daemon() {
  # start_daemon [argument…]: 0 once the engine answers; 1 when the daemon ended or the limit passed.
  # The lock's descriptor is closed for the daemon, or it would hold the lock for its whole life.
  setsid nohup dockerd --pidfile "$pidfile" --host "unix://$socket" "$@" </dev/null >"$log" 2>&1 9>&- &
  local daemon=$! deadline=$((SECONDS + limit_seconds))
  while ((SECONDS < deadline)); do
    if [ -n "$(server_version)" ]; then return 0; fi
    kill -0 "$daemon" 2>/dev/null || return 1
    sleep 0.2
  done
  kill "$daemon" 2>/dev/null || true
  return 1
}

found=$(server_version || true)
if [ "${1:-}" = --check ]; then
  [ -n "$found" ] || { say "no Docker Engine answers"; exit 1; }
  say "Docker Engine $found answers"
  exit 0
fi
if [ -n "$found" ] && have_compose; then
  say "Docker Engine $found answers; nothing to install"
  exit 0
fi
if [ -z "$found" ] && [ -n "${DOCKER_HOST:-}" ]; then
  fail "DOCKER_HOST names $DOCKER_HOST, but nothing answers there; start that engine or unset the variable"
fi
[ "$(id -u)" = 0 ] || fail "no Docker Engine answers; start yours, or run this script as root so that it can install one"

exec 9>/var/lock/galaxy-install-engine.lock
flock 9
found=$(server_version || true)
if [ -z "$found" ]; then
  command -v dockerd >/dev/null || install_packages docker.io iptables ca-certificates
  found=$(server_version || true) # the package's own service may have started it
fi
if [ -z "$found" ]; then
  mapfile -t storage < <(storage_arguments)
  say "starting dockerd${storage[*]:+ ${storage[*]}} (log: $log)"
  if ! start_daemon "${storage[@]}"; then
    if grep -qi 'iptables' "$log" && command -v iptables-legacy >/dev/null; then
      # Kernels without nf_tables refuse Debian's default iptables; the older front end still speaks to them.
      say "iptables was refused by this kernel; trying again with iptables-legacy"
      update-alternatives --set iptables /usr/sbin/iptables-legacy >/dev/null
      start_daemon "${storage[@]}" || true
    elif [ ${#storage[@]} -eq 0 ] || [ "${storage[0]}" != "--storage-driver=vfs" ]; then
      say "the daemon did not start; trying once more with the slow but modest vfs storage"
      start_daemon --storage-driver=vfs || true
    fi
  fi
  found=$(server_version || true)
  if [ -z "$found" ]; then
    tail -n 25 "$log" >&2
    fail "dockerd did not answer within $limit_seconds s (its last lines stand above, all of them in $log)"
  fi
fi
have_compose || install_packages docker-compose
driver=$(client info --format '{{.Driver}}' 2>/dev/null || echo unknown)
say "Docker Engine $found answers (storage: $driver, pid file: $pidfile)"
