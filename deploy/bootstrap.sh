#!/usr/bin/env bash
# Makes .venv from requirements.lock (hashes checked) and installs this checkout into it, editable.
# Needs a Python from 3.11 on with venv and pip; nothing else, no root. Safe to repeat; quick when nothing changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}
venv=.venv

"$python" -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Galaxy needs Python 3.11 or newer, this is " + sys.version.split()[0])'
if [ ! -x "$venv/bin/python" ]; then
  echo "  creating the environment in $venv"
  "$python" -m venv "$venv" || { echo "This Python has no venv module; on Debian: apt-get install python3-venv" >&2; exit 1; }
fi
# uv installs the hundred and more locked packages in seconds where pip takes half a minute; it lives beside the
# environment it fills and is pinned by the same lock.
if ! "$venv/bin/python" -c 'import uv' 2>/dev/null; then
  awk '/^uv==/ {on=1} on {print} on && !/\\$/ {exit}' requirements.lock > "$venv/uv.lock"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$venv/uv.lock"
fi
echo "  installing the locked packages"
"$venv/bin/python" -m uv pip sync --quiet --python "$venv/bin/python" --require-hashes requirements.lock
"$venv/bin/python" -m uv pip install --quiet --python "$venv/bin/python" --no-build-isolation --no-deps --editable .
touch "$venv/.installed"
