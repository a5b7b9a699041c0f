"""vectors.json is what its generator writes, and `signing.py` agrees with every line of it."""

import base64
import binascii
import json
from hashlib import sha256
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from edge_vectors.document import VECTORS, text

from galaxy.edge.v1 import signing

DOCUMENT: dict[str, Any] = json.loads(VECTORS.read_text(encoding="utf-8"))
KINDS = ("requests", "responses", "events", "server_time_events", "refusals")


def every(kind: str) -> list[Any]:
    return [pytest.param(vector, id=f"{kind}-{vector['name']}") for vector in DOCUMENT[kind]]


def message_of(kind: str, vector: dict[str, Any]) -> bytes:
    """Build the bytes under the signature with the functions that services use."""
    fields, asked = vector["fields"], vector.get("asked", {})
    digest = bytes.fromhex(fields.get("payload_hash", ""))
    match kind:
        case "requests":
            return signing.request_message(
                fields["protocol_version"],
                fields["device_session_id"],
                fields["message_type"],
                int(fields["timestamp_ms"]),
                fields["request_id"],
                fields["idempotency_key"],
                digest,
            )
        case "responses":
            return signing.response_message(
                fields["protocol_version"],
                asked["device_session_id"],
                fields["request_id"],
                bytes.fromhex(asked["payload_hash"]),
                int(fields["timestamp_ms"]),
                fields["result_code"],
                digest,
                fields["key_id"],
            )
        case "events":
            return signing.event_message(
                asked["user_id"],
                fields["event_type"],
                fields["event_id"],
                fields["cursor"],
                int(fields["timestamp_ms"]),
                digest,
                fields["key_id"],
            )
        case "server_time_events":
            return signing.event_message(
                asked["device_session_id"],
                fields["event_type"],
                fields["event_id"],
                asked["request_id"],
                int(fields["timestamp_ms"]),
                digest,
                fields["key_id"],
            )
        case _:
            return signing.refusal_message(
                asked["device_session_id"],
                asked["request_id"],
                fields["reason"],
                int(fields["server_time_ms"]),
                fields["key_id"],
            )


def first_failure(kind: str, vector: dict[str, Any]) -> str | None:
    """Check a vector as the file's `about` says; return the name of the check that fails."""
    fields, signature = vector["fields"], bytes.fromhex(vector["signature"])
    if len(signature) != 64 or ("payload" in vector and len(fields["payload_hash"]) != 64):
        return "size"
    if "payload" in vector and sha256(bytes.fromhex(vector["payload"])).hexdigest() != fields["payload_hash"]:
        return "payload_hash"
    if kind == "responses" and fields["request_id"] != vector["asked"]["request_id"]:
        return "request_id"
    published = {key["key_id"]: key["public_key"] for key in DOCUMENT["published_keys"]}
    known, name = (DOCUMENT["sessions"], "device_session_id") if kind == "requests" else (published, "key_id")
    public = known.get(fields[name])
    if public is None:
        return "key"
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(public)).verify(
            signature, message_of(kind, vector)
        )
    except InvalidSignature:
        return "signature"
    return None


def test_the_file_is_what_the_generator_writes() -> None:
    assert VECTORS.read_text(encoding="utf-8") == text()


@pytest.mark.parametrize(("kind", "vector"), [(kind, *case.values) for kind in KINDS for case in every(kind)])
def test_signing_builds_the_canonical_bytes(kind: str, vector: dict[str, Any]) -> None:
    assert message_of(kind, vector).hex() == vector["canonical"]


@pytest.mark.parametrize(
    ("kind", "vector"),
    [pytest.param(kind, *case.values, id=case.id) for kind in KINDS for case in every(kind)],
)
def test_the_verdict_and_the_failing_check_are_as_written(kind: str, vector: dict[str, Any]) -> None:
    assert first_failure(kind, vector) == vector.get("fails_at")
    assert vector["verdict"] == ("invalid" if "fails_at" in vector else "valid")


@pytest.mark.parametrize("name", sorted(DOCUMENT["keys"]))
def test_keys_and_their_ids_belong_together(name: str) -> None:
    key = DOCUMENT["keys"][name]
    public = (
        Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key["private_key"]))
        .public_key()
        .public_bytes_raw()
    )
    assert base64.b64encode(public).decode() == key["public_key"]
    assert signing.key_id_of(public) == key["key_id"]


@pytest.mark.parametrize("case", DOCUMENT["public_keys"], ids=lambda case: case["name"])
def test_only_canonical_base64_of_32_bytes_is_a_public_key(case: dict[str, str]) -> None:
    try:
        raw = base64.b64decode(case["text"], validate=True)
    except binascii.Error:
        raw = b""
    accepted = len(raw) == 32 and base64.b64encode(raw).decode() == case["text"]
    assert accepted == (case["verdict"] == "valid")


def test_every_kind_has_good_and_bad_examples() -> None:
    for kind in KINDS:
        assert {vector["verdict"] for vector in DOCUMENT[kind]} == {"valid", "invalid"}


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_unique(kind: str) -> None:
    names = [vector["name"] for vector in DOCUMENT[kind]]
    assert len(names) == len(set(names))
