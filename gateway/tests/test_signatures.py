"""The signature stage."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.pipeline.errors import NotAuthenticated
from gateway.pipeline.model import Call, Passage, SignedRequest
from gateway.sessions.model import Session, SessionStatus
from gateway.signatures.service import SignatureStage, Verifier
from gateway.tests.player import Player
from kit.testing import ManualClock


def passage(player: Player, signed_by: Player | None = None, **after: Any) -> Passage:
    message = (signed_by or player).command(
        "lobby.game.get",
        {"a": 1},
        device_session_id=player.device_session_id,
        idempotency_key="k1",
        after=after,
    )
    request = SignedRequest(
        Call.EXECUTE_COMMAND,
        message.protocol_version,
        message.device_session_id,
        message.message_type,
        message.timestamp_ms,
        message.request_id,
        message.payload_bytes,
        message.payload_hash,
        message.signature,
        message.idempotency_key,
        message.traceparent,
    )
    key = player.key.public_key().public_bytes_raw()
    session = Session(
        player.device_session_id, player.user_id, SessionStatus.ACTIVE, key, ManualClock().now()
    )
    return Passage(request, "", looked_up=session)


async def test_the_devices_signature_passes():
    await SignatureStage(Verifier()).check(passage(Player(), traceparent="00-" + "1" * 32))


@pytest.mark.parametrize(
    "after",
    [
        {"message_type": "lobby.game.start"},
        {"timestamp_ms": 1},
        {"request_id": "B" * 22},
        {"idempotency_key": ""},
        {"payload_hash": bytes(32)},
        {"signature": bytes(64)},
        {"device_session_id": "01920000-0000-7000-8000-000000000001"},
    ],
)
async def test_a_change_of_any_signed_field_is_noticed(after: dict[str, Any]):
    with pytest.raises(NotAuthenticated):
        await SignatureStage(Verifier()).check(passage(Player(), **after))


async def test_another_devices_signature_is_refused():
    with pytest.raises(NotAuthenticated):
        await SignatureStage(Verifier()).check(passage(Player(), signed_by=Player()))


def test_spending_a_verification_never_says_anything():
    verifier = Verifier()
    assert verifier.spend(passage(Player()).request) is None  # type: ignore[func-returns-value]
    assert not verifier.holds(
        Ed25519PrivateKey.generate().public_key().public_bytes_raw(), passage(Player()).request
    )
    assert not verifier.holds(b"short", passage(Player()).request)
