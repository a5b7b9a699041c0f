"""The envelope and payload-hash stages."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from galaxy.edge.v1 import signing
from gateway.envelope.errors import MalformedField, PayloadTooLarge, UnsupportedProtocolVersion
from gateway.envelope.service import EnvelopeStage, PayloadHashStage
from gateway.pipeline.model import Call, Passage, SignedRequest
from kit.ids import uuid7
from kit.refusals import Refusal


def request(**changes: Any) -> SignedRequest:
    payload = changes.get("payload_bytes", b"{}")
    fields: dict[str, Any] = {
        "call": Call.EXECUTE_COMMAND,
        "protocol_version": "v1",
        "device_session_id": uuid7(),
        "message_type": "lobby.game.get",
        "timestamp_ms": 1_900_000_000_000,
        "request_id": "A" * 22,
        "payload_bytes": payload,
        "payload_hash": signing.payload_hash(payload),
        "signature": bytes(64),
    }
    return SignedRequest(**(fields | changes))


async def check(signed: SignedRequest, limit: int = 1000) -> None:
    await EnvelopeStage(lambda _: limit).check(Passage(signed, "127.0.0.1"))


async def test_a_well_formed_envelope_passes():
    await check(request())
    await check(request(idempotency_key="k" * 128, request_id="-_" * 32))
    await check(request(call=Call.SUBSCRIBE_EVENTS, message_type="gateway.subscribe_events"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("device_session_id", ""),
        ("device_session_id", "0192F000-0000-7000-8000-000000000000"),
        ("device_session_id", "../../internal"),
        ("message_type", ""),
        ("message_type", "lobby"),
        ("message_type", "Lobby.Game"),
        ("message_type", "a." + "b" * 200),
        ("message_type", "gateway.subscribe_events"),
        ("timestamp_ms", 0),
        ("timestamp_ms", -1),
        ("request_id", "A" * 21),
        ("request_id", "A" * 65),
        ("request_id", "A" * 21 + "+"),
        ("request_id", "A" * 22 + "\n"),
        ("idempotency_key", "k" * 129),
        ("idempotency_key", "a b"),
        ("idempotency_key", "a\r\nX-User-Id:"),
        ("payload_hash", b""),
        ("payload_hash", bytes(31)),
        ("signature", bytes(63)),
        ("signature", bytes(65)),
    ],
)
async def test_a_malformed_field_is_named(field: str, value: object):
    with pytest.raises(MalformedField) as refusal:
        await check(request(**{field: value}))
    assert refusal.value.field == field
    assert refusal.value.message.startswith(f"{field}: ")


@pytest.mark.parametrize("version", ["", "v2", "V1", "v1 "])
async def test_another_protocol_version_is_refused_before_anything_else_is_read(version: str):
    with pytest.raises(UnsupportedProtocolVersion):
        await check(request(protocol_version=version, device_session_id="nonsense"))


async def test_a_command_cannot_travel_as_a_subscription():
    with pytest.raises(MalformedField) as refusal:
        await check(request(call=Call.SUBSCRIBE_EVENTS, message_type="lobby.game.get"))
    assert refusal.value.field == "message_type"


async def test_a_payload_over_its_limit_is_refused_by_naming_the_limit():
    await check(request(payload_bytes=b"x" * 1000))
    with pytest.raises(PayloadTooLarge, match="1000 bytes"):
        await check(request(payload_bytes=b"x" * 1001))


async def test_the_payload_must_be_the_one_that_was_hashed():
    await PayloadHashStage().check(Passage(request(), ""))
    with pytest.raises(MalformedField) as refusal:
        await PayloadHashStage().check(Passage(request(payload_hash=bytes(32)), ""))
    assert refusal.value.field == "payload_hash"


@given(
    version=st.sampled_from(["v1", "", "v2"]) | st.text(),
    session=st.uuids().map(str) | st.text(),
    message_type=st.sampled_from(["lobby.game.get", "gateway.subscribe_events"]) | st.text(),
    timestamp=st.integers(-(2**63), 2**63 - 1),
    request_id=st.from_regex(r"[A-Za-z0-9_-]{22,64}", fullmatch=True) | st.text(),
    key=st.text(),
    digest=st.binary(max_size=40) | st.binary(min_size=32, max_size=32),
    signature=st.binary(min_size=64, max_size=64) | st.binary(max_size=70),
    call=st.sampled_from(list(Call)),
)
async def test_any_envelope_passes_or_is_refused_and_what_passes_can_be_signed(
    version: str,
    session: str,
    message_type: str,
    timestamp: int,
    request_id: str,
    key: str,
    digest: bytes,
    signature: bytes,
    call: Call,
):
    signed = SignedRequest(
        call, version, session, message_type, timestamp, request_id, b"", digest, signature, key
    )
    try:
        await check(signed)
    except Refusal:
        return
    assert signed.signed_message()
