#!/usr/bin/env bash
# Builds the base images from Debian's own packages, for a machine that reaches package mirrors but no image registry:
#   local/python:3.11    stands in for python:3.11-slim-bookworm
#   local/postgres:15    stands in for postgres:15-bookworm
#   local/redis:7        stands in for redis:7.0-bookworm
# Needs root (debootstrap) and a Docker Engine that answers. Quick where the images stand already: each carries the
# digest of what it was made from.
#
#   deploy/docker/offline-bases.sh                 all three
#   deploy/docker/offline-bases.sh python          one of them
#   deploy/docker/offline-bases.sh --if-needed …   only where the public image is neither here nor to be pulled
#
# Writes .build/offline.env, which compose and the image builds take (`make up-docker ENV_FILE=.build/offline.env`).
#
# The host's bundle of certificate authorities is copied into these bases alone, so that builds behind an intercepting
# proxy reach the package index. The product's own Dockerfile knows nothing of it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
export DOCKER_BUILDKIT=0

say() { printf 'bases: %s\n' "$*"; }
fail() { printf 'bases: %s\n' "$*" >&2; exit 1; }
docker() { "$here/client.sh" "$@"; }

digest_of() { cat "$@" | sha256sum | cut -c1-16; }

stands() { # stands IMAGE DIGEST: whether that image was made from these very sources
  [ "$(docker image inspect --format '{{index .Config.Labels "galaxy.base.source"}}' "$1" 2>/dev/null)" = "$2" ]
}

quietly() { # quietly LOG COMMAND…: the log is shown only when the command fails
  local log=$1
  shift
  "$@" </dev/null >"$log" 2>&1 || { tail -n 40 "$log" >&2; fail "failed: $1 (the whole log: $log)"; }
}

if_needed=
if [ "${1:-}" = --if-needed ]; then
  if_needed=yes
  shift
fi
wanted=("${@:-all}")
wants() { [[ " ${wanted[*]} " == *" all "* || " ${wanted[*]} " == *" $1 "* ]]; }
for name in "${wanted[@]}"; do
  [[ $name =~ ^(all|python|postgres|redis)$ ]] || fail "unknown base: $name (python, postgres or redis)"
done

timeout 10 "$here/client.sh" version >/dev/null 2>&1 || fail "no Docker Engine answers (deploy/docker/install-engine.sh starts one)"

public_at_hand() { docker image inspect "$1" >/dev/null 2>&1 || timeout 600 "$here/client.sh" pull --quiet "$1" </dev/null >/dev/null 2>&1; }
if [ -n "$if_needed" ]; then
  # A registry that gives one of them gives all of them.
  if public_at_hand python:3.11-slim-bookworm; then
    rm -f "$root/.build/offline.env"
    exit 0
  fi
  say "no image registry can be reached; making the bases from Debian's packages"
fi
# Two at once (tests side by side, say) take turns; the second finds everything standing.
mkdir -p "$root/.build"
exec 9>"$root/.build/offline-bases.lock"
flock 9
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

certificates=/etc/ssl/certs/ca-certificates.crt
[ -r "$certificates" ] || fail "$certificates is missing; install the package ca-certificates"

debian_source=$(digest_of "${BASH_SOURCE[0]}" "$certificates")
if stands local/debian:bookworm "$debian_source"; then
  say "local/debian:bookworm stands"
else
  [ "$(id -u)" = 0 ] || fail "debootstrap needs root"
  if ! command -v debootstrap >/dev/null; then
    say "installing debootstrap"
    quietly "$scratch/apt.log" env DEBIAN_FRONTEND=noninteractive sh -c \
      'apt-get install -y -qq --no-install-recommends debootstrap || { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap; }'
  fi
  say "building local/debian:bookworm with debootstrap (about half a minute)"
  quietly "$scratch/debootstrap.log" debootstrap --variant=minbase --include=ca-certificates bookworm "$scratch/root" "$mirror"
  rm -rf "$scratch/root/var/cache/apt/archives" "$scratch/root"/var/lib/apt/lists/* "$scratch/root"/usr/share/{doc,man,locale}
  cp "$certificates" "$scratch/root/etc/ssl/certs/ca-certificates.crt"
  # Services may not start while packages are installed in an image, as in Debian's own images.
  printf '#!/bin/sh\nexit 101\n' >"$scratch/root/usr/sbin/policy-rc.d"
  chmod +x "$scratch/root/usr/sbin/policy-rc.d"
  tar -C "$scratch/root" -c . | docker import \
    --change "LABEL galaxy.base.source=$debian_source" \
    --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    --change 'ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt' \
    --change 'ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt' \
    --change 'ENV REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt' \
    --change 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' \
    - local/debian:bookworm >/dev/null
fi

build() { # build NAME IMAGE: from deploy/docker/bases/NAME
  local source
  source=$(digest_of "$here/bases/$1"/* <(echo "$debian_source"))
  if stands "$2" "$source"; then
    say "$2 stands"
    return
  fi
  say "building $2"
  quietly "$scratch/$1.log" "$here/client.sh" build --label "galaxy.base.source=$source" --tag "$2" "$here/bases/$1"
}
if wants python; then build python local/python:3.11; fi
if wants postgres; then build postgres local/postgres:15; fi
if wants redis; then build redis local/redis:7; fi

cat >"$root/.build/offline.env.part" <<'ENVIRONMENT'
BASE_IMAGE=local/python:3.11
POSTGRES_IMAGE=local/postgres:15
REDIS_IMAGE=local/redis:7
ENVIRONMENT
mv "$root/.build/offline.env.part" "$root/.build/offline.env" # in one piece: builds beside this one read it
say "ready; .build/offline.env points builds and compose to them"
