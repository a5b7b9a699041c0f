#!/usr/bin/env bash
# Builds images of the platform: deploy/docker/build.sh [TARGET…]   (default: all of them)
#
#   engine → galaxy/game      gateway, backend, notification, mail, mailcatcher → galaxy/<target>
#
# TAG (default: dev) is the tag; BASE_IMAGE the base: by default the Dockerfile's public one or, where no registry can be
# reached, the one that offline-bases.sh makes.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
tag=${TAG:-dev}
if [ -z "${BASE_IMAGE:-}" ]; then
  "$here/offline-bases.sh" --if-needed python
  if [ -r "$root/.build/offline.env" ]; then BASE_IMAGE=$(sed -n 's/^BASE_IMAGE=//p' "$root/.build/offline.env"); fi
fi
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(engine gateway backend notification mail mailcatcher)

# BuildKit leaves out the stages a target does not need, so it is used where the client brings it: Debian's does by
# itself, newer ones by their buildx part. The classic builder gives the same images.
DOCKER_BUILDKIT=1
client=/usr/bin/docker
[ -x "$client" ] || client=docker
case $("$client" version --format '{{.Client.Version}}' 2>/dev/null) in
  1?.* | 20.*) ;;
  *) "$client" buildx version >/dev/null 2>&1 || DOCKER_BUILDKIT=0 ;;
esac
export DOCKER_BUILDKIT

log=$(mktemp)
trap 'rm -f "$log"' EXIT
for target in "${targets[@]}"; do
  case $target in engine) image=galaxy/game ;; *) image=galaxy/$target ;; esac
  started=$SECONDS
  if ! "$here/client.sh" build --force-rm --file "$root/deploy/docker/Dockerfile" --target "$target" --tag "$image:$tag" \
    ${BASE_IMAGE:+--build-arg "BASE_IMAGE=$BASE_IMAGE"} "$root" </dev/null >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    echo "images: $image:$tag could not be built (the lines above say why)" >&2
    exit 1
  fi
  echo "images: $image:$tag built in $((SECONDS - started)) s"
done
