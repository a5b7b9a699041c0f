#!/bin/sh
# Inside an image build: fills /opt/galaxy with what packages.txt names for one target. Every file that is installed is
# checked against the hashes of requirements.lock; nothing is built from source.
set -eu
target=$1
uv="/opt/uv/bin/uv --no-cache --quiet"
python3 deploy/docker/locked_subset.py "$target" >target.lock
$uv venv --python "$(command -v python3)" /opt/galaxy
$uv pip install --python /opt/galaxy/bin/python --link-mode copy --compile-bytecode --no-build --require-hashes -r target.lock
$uv pip check --python /opt/galaxy/bin/python

# The distribution itself is copied as source, folder by folder; a process that asks for its version finds it here.
/opt/galaxy/bin/python - <<'PYTHON'
import sysconfig
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
name, version = project["name"], project["version"]
info = Path(sysconfig.get_path("purelib")) / f"{name.replace('-', '_')}-{version}.dist-info"
info.mkdir()
(info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
PYTHON
