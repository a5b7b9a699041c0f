"""Each stock client's own signing file agrees with the published vectors, and with nothing else."""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from integration.stock_clients.python import signing
from integration.stock_clients.runner import NODE_PACKAGE, ROOT, VECTORS, installed_package, node

DOCUMENT: dict[str, Any] = json.loads(VECTORS.read_text(encoding="utf-8"))
PUBLISHED = {key["key_id"]: key["public_key"] for key in DOCUMENT["published_keys"]}
KINDS = {
    "requests": "request",
    "responses": "response",
    "events": "event",
    "server_time_events": "server_time_event",
    "refusals": "refusal",
}


@pytest.mark.parametrize(
    ("kind", "vector"),
    [
        pytest.param(kind, vector, id=f"{kind}-{vector['name']}")
        for kind in KINDS
        for vector in DOCUMENT[kind]
    ],
)
def test_python_gives_the_vectors_verdict(kind: str, vector: dict[str, Any]) -> None:
    fields, asked = vector["fields"], vector.get("asked", {})
    known = {**fields, **{name: value for name, value in asked.items() if name not in fields}}
    known["request_payload_hash"] = asked.get("payload_hash", "")
    values = {
        name: int(text) if name.endswith("_ms") else bytes.fromhex(text) if name.endswith("hash") else text
        for name, text in known.items()
    }
    signed = signing.message(KINDS[kind], **values)
    assert signed.hex() == vector["canonical"]
    key = (
        DOCUMENT["sessions"].get(fields["device_session_id"])
        if kind == "requests"
        else PUBLISHED.get(fields["key_id"])
    )
    failure = signing.first_failure(
        bytes.fromhex(vector["signature"]),
        signed,
        base64.b64decode(key) if key else None,
        bytes.fromhex(vector["payload"]) if "payload" in vector else None,
        bytes.fromhex(fields.get("payload_hash", "")),
        answers_another=kind == "responses" and fields["request_id"] != asked["request_id"],
    )
    assert failure == vector.get("fails_at")


def test_node_gives_every_verdict() -> None:
    done = subprocess.run(
        [str(node()), "--test", "tests/vectors.test.js"],
        cwd=installed_package(),
        env={**os.environ, "VECTORS": str(VECTORS)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    expected = sum(len(DOCUMENT[kind]) for kind in KINDS) + len(DOCUMENT["public_keys"])
    expected += len([vector for vector in DOCUMENT["requests"] if vector["verdict"] == "valid"])
    assert f"pass {expected}" in done.stdout


def test_the_javascript_stubs_are_up_to_date(tmp_path: Path) -> None:
    package = installed_package()
    template = tmp_path / "buf.gen.yaml"
    plugin = package / "node_modules" / "@bufbuild" / "protoc-gen-es" / "bin" / "protoc-gen-es"
    text = (NODE_PACKAGE / "buf.gen.yaml").read_text(encoding="utf-8")
    text = text.replace('"node", ', f'"{node()}", ').replace(
        "node_modules/@bufbuild/protoc-gen-es/bin/protoc-gen-es", str(plugin)
    )
    template.write_text(text, encoding="utf-8")
    buf = shutil.which("buf", path=str(ROOT / ".venv" / "bin")) or "buf"
    edge = ROOT / "proto" / "galaxy" / "edge" / "v1" / "edge.proto"
    subprocess.run(
        [
            buf,
            "generate",
            str(ROOT / "proto"),
            "--template",
            str(template),
            "--path",
            str(edge),
            "-o",
            str(tmp_path),
        ],
        check=True,
        timeout=60,
    )
    for stub in sorted((NODE_PACKAGE / "gen").rglob("*_pb.*")):
        fresh = tmp_path / "gen" / stub.relative_to(NODE_PACKAGE / "gen")
        assert fresh.read_text() == stub.read_text(), f"{stub.name} is not up to date: run npm run generate"
