#!/usr/bin/env bash
# Runs compose, whichever generation the machine has: the client's own `compose` part (v2) or docker-compose (v1).
# The compose files of this project are written for both.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# docker-compose v1 builds by the classic builder unless told otherwise; so does the fallback of v2.
if "$here/client.sh" compose version >/dev/null 2>&1; then exec "$here/client.sh" compose "$@"; fi
command -v docker-compose >/dev/null || { echo "docker: neither 'docker compose' nor docker-compose is installed (deploy/docker/install-engine.sh installs one)" >&2; exit 127; }
exec docker-compose "$@"
