#!/bin/bash
# Runs the given command as the user redis. The server listens on every interface of its container; whoever runs it
# sets a password on the command line.
set -euo pipefail
if [ "$(id -u)" = 0 ]; then
  chown -R redis:redis /data
  exec setpriv --reuid=redis --regid=redis --init-groups "$0" "$@"
fi
if [ "${1:-}" = redis-server ]; then exec "$@" --protected-mode no --bind '*'; fi
exec "$@"
