#!/usr/bin/env bash
# Removes containers of one stack, and only of that stack: deploy/docker/remove.sh engines|ended STACK
#
#   engines   its engine containers: chosen by the label galaxy.stack=STACK AND the title of their image
#   ended     whatever of it has exited or died; before a stack comes up again
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
which=${1:-}
stack=${2:-}
# An empty name would make a filter that matches every stack.
[ -n "$stack" ] || { sed -n '2,5p' "${BASH_SOURCE[0]}" >&2; exit 2; }
case $which in
  engines) filters=(--filter label=org.opencontainers.image.title=galaxy-game) ;;
  ended) filters=(--filter status=exited --filter status=dead) ;;
  *) sed -n '2,5p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
mapfile -t found < <("$here/client.sh" ps --all --quiet --filter "label=galaxy.stack=$stack" "${filters[@]}")
if [ ${#found[@]} -gt 0 ]; then
  "$here/client.sh" rm --force --volumes "${found[@]}" >/dev/null
  echo "stack: removed ${#found[@]} containers ($which of $stack)"
fi
