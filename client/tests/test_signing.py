"""The SDK's own verification against the wire's vectors: what the platform published as good and bad."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from client import signing
from client.errors import Forged
from galaxy.edge.v1 import edge_pb2
from galaxy.edge.v1.signing import canonical

VECTORS: dict[str, Any] = json.loads(Path(edge_pb2.__file__).with_name("vectors.json").read_text("utf-8"))
PUBLISHED = {key["key_id"]: base64.b64decode(key["public_key"]) for key in VECTORS["published_keys"]}


def believed(kind: str, vector: dict[str, Any]) -> bool:
    fields, asked = vector["fields"], vector["asked"]
    public_key = PUBLISHED.get(fields["key_id"])
    if public_key is None:
        return False
    signature = bytes.fromhex(vector["signature"])
    wire: dict[str, Any] = {
        name: int(value)
        if name.endswith("_ms")
        else bytes.fromhex(value)
        if name == "payload_hash"
        else value
        for name, value in fields.items()
    }
    try:
        if kind == "refusals":
            question = edge_pb2.ExecuteCommandRequest(**asked)
            signing.verify_refusal(edge_pb2.RefusalDetail(**wire, signature=signature), question, public_key)
            return True
        wire |= {"payload_bytes": bytes.fromhex(vector["payload"]), "signature": signature}
        if kind == "responses":
            question = edge_pb2.ExecuteCommandRequest(
                **{**asked, "payload_hash": bytes.fromhex(asked["payload_hash"])}
            )
            signing.verify_response(edge_pb2.ExecuteCommandResponse(**wire), question, public_key)
        elif kind == "events":
            signing.verify_event(edge_pb2.Event(**wire), asked["user_id"], public_key)
        else:
            opened = edge_pb2.SubscribeEventsRequest(**asked)
            signing.verify_server_time_event(edge_pb2.Event(**wire), opened, public_key)
    except Forged:
        return False
    return True


@pytest.mark.parametrize(
    ("kind", "vector"),
    [
        pytest.param(kind, vector, id=f"{kind}-{vector['name']}")
        for kind in ("responses", "events", "server_time_events", "refusals")
        for vector in VECTORS[kind]
    ],
)
def test_the_verdict_is_the_vectors(kind: str, vector: dict[str, Any]) -> None:
    assert believed(kind, vector) == (vector["verdict"] == "valid")


@pytest.mark.parametrize(
    "vector",
    [vector for vector in VECTORS["requests"] if vector["verdict"] == "valid"],
    ids=lambda vector: vector["name"],
)
def test_a_request_is_signed_as_the_vector_shows(
    vector: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = vector["fields"]
    monkeypatch.setattr(signing, "new_request_id", lambda: fields["request_id"])
    seed = bytes.fromhex(VECTORS["keys"]["device"]["private_key"])
    signer = signing.DeviceSigner(fields["device_session_id"], Ed25519PrivateKey.from_private_bytes(seed))
    payload, at = bytes.fromhex(vector["payload"]), int(fields["timestamp_ms"])
    if fields["message_type"] == "gateway.subscribe_events":
        assert signer.subscription(payload, at).signature.hex() == vector["signature"]
    else:
        request = signer.command(fields["message_type"], payload, fields["idempotency_key"], at)
        assert request.signature.hex() == vector["signature"]


parts = st.lists(st.one_of(st.text(max_size=8), st.binary(max_size=8)), min_size=1, max_size=5)


@given(parts, parts)
def test_different_fields_never_give_the_same_bytes(one: list[str | bytes], other: list[str | bytes]) -> None:
    def as_bytes(values: list[str | bytes]) -> list[bytes]:
        return [value.encode() if isinstance(value, str) else value for value in values]

    assert (canonical("d", *one) == canonical("d", *other)) == (as_bytes(one) == as_bytes(other))


def test_request_ids_have_128_random_bits_in_base64url() -> None:
    ids = {signing.new_request_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(
        len(each) == 22
        and set(each) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        for each in ids
    )
