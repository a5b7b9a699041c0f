#!/usr/bin/env bash
# Renews the stubs beside the .proto files. With --check it writes nothing and fails when they are not up to date.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=$PWD/.venv/bin
export PATH="$bin:$PATH"
out=proto
if [ "${1:-}" = --check ]; then
  out=$(mktemp -d)
  trap 'rm -rf "$out"' EXIT
fi
protoc() {
  "$bin/python" -m grpc_tools.protoc -I proto --python_out="$out" --mypy_out="quiet:$out" \
    --grpc_python_out="$out" --mypy_grpc_out="quiet:$out" "$@"
}
# The backend serves push with plain gRPC only; the edge speaks Connect too.
protoc --connectrpc_out="$out" --connectrpc_opt=protobuf=google proto/galaxy/edge/v1/edge.proto
protoc proto/galaxy/push/v1/push.proto
if [ "$out" != proto ]; then
  for stub in "$out"/galaxy/*/v1/*; do
    cmp -s "$stub" "proto/${stub#"$out"/}" || { echo "${stub#"$out"/} is not up to date: run make proto" >&2; exit 1; }
  done
fi
