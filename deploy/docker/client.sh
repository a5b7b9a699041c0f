#!/usr/bin/env bash
# Runs the docker client that fits the machine: Debian's own when it is installed, else the first on PATH.
# A newer client without its buildx part, earlier on PATH, fails at `docker build` against Debian's engine.
set -euo pipefail
if [ -x /usr/bin/docker ]; then exec /usr/bin/docker "$@"; fi
command -v docker >/dev/null || { echo "docker: no docker client on this machine (deploy/docker/install-engine.sh installs one)" >&2; exit 127; }
exec docker "$@"
