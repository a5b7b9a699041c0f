"""A device signs in, runs commands, and believes only what is signed."""

from pathlib import Path
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError

from client.errors import (
    CannotReach,
    Forged,
    GatewayKeyChanged,
    InvalidRequest,
    NotSignedIn,
    Refused,
    SessionRevoked,
    TooBusy,
)
from client.sdk import Galaxy
from client.tests.conftest import QUICK
from client.tests.gateway import Gateway, Signer, refused, running

ACCOUNT = {
    "user_id": "u1",
    "email": "alice@example.org",
    "display_name": "Alice",
    "locale": "en",
    "time_zone": "UTC",
}


def account(_: dict[str, Any]) -> tuple[str, Any]:
    return "ok", ACCOUNT


async def test_a_signed_command_brings_a_verified_answer(galaxy: Galaxy, gateway: Gateway) -> None:
    gateway.handlers["user.account.get"] = account
    assert (await galaxy.account.get()).display_name == "Alice"


async def test_a_second_process_finds_the_identity(galaxy: Galaxy, gateway: Gateway, tmp_path: Path) -> None:
    gateway.handlers["user.account.get"] = account
    async with Galaxy("alice", home=tmp_path, patience=QUICK) as again:
        assert again.signed_in
        assert (await again.account.get()).email == "alice@example.org"


async def test_profiles_of_one_machine_are_apart(galaxy: Galaxy, tmp_path: Path) -> None:
    async with Galaxy("bob", home=tmp_path) as other:
        assert not other.signed_in
        with pytest.raises(NotSignedIn):
            _ = other.account


async def test_a_wrong_code_is_refused_with_the_platforms_words(gateway: Gateway, tmp_path: Path) -> None:
    async with Galaxy("eve", home=tmp_path, gateway_url=gateway.url, edge_url=gateway.url) as device:
        with pytest.raises(Refused, match="This is not the code") as caught:
            await device.sign_in("eve@example.org", code=lambda: "000000")
    assert (caught.value.code, caught.value.details) == ("auth.code_wrong", {"tries_left": 4})


async def test_a_code_may_be_tried_again_and_the_key_stays_the_devices(
    gateway: Gateway, tmp_path: Path
) -> None:
    async with Galaxy("eve", home=tmp_path, gateway_url=gateway.url, edge_url=gateway.url) as device:
        sent = await device.send_code("eve@example.org")
        with pytest.raises(Refused):
            await device.confirm_code(sent, "000000")
        assert not device.signed_in
        await device.confirm_code(sent, gateway.code)
        # A lost answer: asked again, the same device gets its session.
        await device.confirm_code(sent, gateway.code)
        keys = {key for _, key in gateway.sessions.values()}
        assert keys == {sent.private_key.public_key().public_bytes_raw()}


async def test_a_refusal_of_the_domain_is_typed(galaxy: Galaxy, gateway: Gateway) -> None:
    error = {
        "code": "lobby.game_full",
        "message": "the game is full",
        "details": {"max": 2},
        "request_id": "r",
    }
    gateway.handlers["lobby.application.submit"] = lambda _: ("lobby.game_full", {"error": error})
    with pytest.raises(Refused, match="the game is full") as caught:
        await galaxy.lobby.apply("g1", "Terrans")
    assert (caught.value.code, caught.value.details) == ("lobby.game_full", {"max": 2})


async def test_a_change_carries_an_idempotency_key_and_a_read_does_not(
    galaxy: Galaxy, gateway: Gateway
) -> None:
    gateway.handlers["user.account.get"] = account
    gateway.handlers["user.account.update"] = account
    await galaxy.account.get()
    await galaxy.account.update(display_name="Alice")
    assert gateway.seen[0].idempotency_key == ""
    assert len(gateway.seen[1].idempotency_key) >= 22


async def test_a_retry_has_a_new_request_id_and_the_old_idempotency_key(
    galaxy: Galaxy, gateway: Gateway
) -> None:
    """The first attempt gets through, but its answer is lost on the way."""
    gateway.handlers["user.account.update"] = account

    def lose_once(response: Any) -> None:
        gateway.tamper = None
        raise ConnectError(Code.UNAVAILABLE, "connection lost")

    gateway.tamper = lose_once
    await galaxy.account.update(display_name="Alice")
    first, second = gateway.seen
    assert first.request_id != second.request_id
    assert first.idempotency_key == second.idempotency_key != ""


async def test_attempts_are_bounded(galaxy: Galaxy, gateway: Gateway) -> None:
    gateway.failures = [ConnectError(Code.UNAVAILABLE, "backend is away") for _ in range(10)]
    with pytest.raises(CannotReach):
        await galaxy.account.get()
    assert len(gateway.failures) == 10 - QUICK.attempts


async def test_an_unreachable_gateway_is_said_in_one_sentence(tmp_path: Path) -> None:
    async with running(Gateway()) as gone:
        device = Galaxy("alice", home=tmp_path, gateway_url=gone.url, edge_url=gone.url, patience=QUICK)
        await device.__aenter__()
        await device.sign_in("alice@example.org", code=lambda: gone.code)
    with pytest.raises(CannotReach, match="does not answer"):
        await device.account.get()
    await device.__aexit__(None, None, None)


async def test_a_rate_limit_is_waited_out(galaxy: Galaxy, gateway: Gateway) -> None:
    gateway.handlers["user.account.get"] = account
    gateway.failures = [refused("rate_limited", "slow down", Code.RESOURCE_EXHAUSTED, retry_after_ms=20)]
    await galaxy.account.get()


async def test_a_rate_limit_beyond_the_calls_time_is_raised(galaxy: Galaxy, gateway: Gateway) -> None:
    gateway.failures = [refused("rate_limited", "slow down", Code.RESOURCE_EXHAUSTED, retry_after_ms=60_000)]
    with pytest.raises(TooBusy) as caught:
        await galaxy.account.get()
    assert caught.value.retry_after_seconds == 60


async def test_a_request_taken_for_a_replay_is_repeated_under_a_new_id(
    galaxy: Galaxy, gateway: Gateway
) -> None:
    gateway.handlers["user.account.get"] = account
    gateway.failures = [refused("replayed_request", "request was seen before")]
    await galaxy.account.get()


@pytest.mark.parametrize(
    "error",
    [
        refused("payload_too_large", "payload over 256 KiB", Code.RESOURCE_EXHAUSTED),
        ConnectError(Code.RESOURCE_EXHAUSTED, "message is larger than configured max 1056768"),
        refused("unsupported_protocol_version", "unsupported protocol version"),
        ConnectError(Code.INVALID_ARGUMENT, "message_type"),
        ConnectError(Code.UNIMPLEMENTED, "no route for the message type"),
    ],
    ids=lambda error: error.message,
)
async def test_what_repetition_cannot_cure_is_raised_at_once(
    galaxy: Galaxy, gateway: Gateway, error: ConnectError
) -> None:
    gateway.handlers["user.account.get"] = account
    gateway.failures = [error]
    with pytest.raises(InvalidRequest, match=error.message):
        await galaxy.account.get()


async def test_a_revoked_session_says_so(galaxy: Galaxy, gateway: Gateway) -> None:
    gateway.revoked.add(galaxy.identity.device_session_id)
    with pytest.raises(SessionRevoked):
        await galaxy.account.get()


async def test_an_unknown_session_is_not_signed_in(galaxy: Galaxy, gateway: Gateway) -> None:
    gateway.sessions.clear()
    with pytest.raises(NotSignedIn):
        await galaxy.account.get()


async def test_signing_out_ends_the_session_and_forgets_the_key(
    galaxy: Galaxy, gateway: Gateway, tmp_path: Path
) -> None:
    gateway.handlers["user.sessions.revoke"] = lambda payload: ("ok", payload)
    session = galaxy.identity.device_session_id
    await galaxy.sign_out()
    assert gateway.seen[-1].payload == {"device_session_id": session}
    assert not galaxy.signed_in
    async with Galaxy("alice", home=tmp_path) as again:
        assert not again.signed_in


# --- belief


def change_result(response: Any) -> None:
    response.result_code = "lobby.game_full"


def change_body(response: Any) -> None:
    response.payload_bytes = b'{"user_id":"mallory"}'


def change_request_id(response: Any) -> None:
    response.request_id = "A" * 22


def drop_signature(response: Any) -> None:
    response.signature = b""


def change_time(response: Any) -> None:
    response.timestamp_ms += 1


@pytest.mark.parametrize(
    "tamper", [change_result, change_body, change_request_id, drop_signature, change_time]
)
async def test_a_forged_answer_raises(galaxy: Galaxy, gateway: Gateway, tamper: Any) -> None:
    gateway.handlers["user.account.get"] = account
    gateway.tamper = tamper
    with pytest.raises(Forged):
        await galaxy.account.get()


async def test_an_answer_by_an_unpublished_key_is_forged(galaxy: Galaxy, gateway: Gateway) -> None:
    gateway.handlers["user.account.get"] = account
    gateway.signer = Signer()
    with pytest.raises(Forged, match="does not publish"):
        await galaxy.account.get()


async def test_a_rotation_that_keeps_the_old_key_published_is_believed_and_told(
    gateway: Gateway, tmp_path: Path
) -> None:
    told: list[Any] = []
    gateway.handlers["user.account.get"] = account
    async with Galaxy(
        "alice", home=tmp_path, gateway_url=gateway.url, edge_url=gateway.url, on_rotation=told.append
    ) as device:
        await device.sign_in("alice@example.org", code=lambda: gateway.code)
        old = gateway.signer
        gateway.signer = Signer()
        gateway.published = [(gateway.signer, "active"), (old, "retired")]
        await device.account.get()
    assert len(told) == 1
    assert told[0].former != told[0].present


async def test_a_gateway_whose_old_key_is_gone_is_not_believed_until_a_person_accepts(
    galaxy: Galaxy, gateway: Gateway
) -> None:
    gateway.handlers["user.account.get"] = account
    gateway.signer = Signer()
    gateway.published = [(gateway.signer, "active")]
    with pytest.raises(GatewayKeyChanged) as caught:
        await galaxy.account.get()
    assert caught.value.pinned in str(caught.value)
    assert caught.value.offered in str(caught.value)
    former, present = await galaxy.gateway_keys().accept()
    assert [key.key_id for key in present] == [gateway.signer.key_id]
    assert former != present
    async with Galaxy("alice", home=galaxy._home, patience=QUICK) as again:
        await again.account.get()


# --- clocks


@pytest.mark.parametrize("hours", [-30, 5])
async def test_a_wrong_clock_learns_the_gateways_verified_time(
    galaxy: Galaxy, gateway: Gateway, hours: int
) -> None:
    gateway.handlers["user.account.get"] = account
    gateway.clock_offset_ms = hours * 3_600_000
    await galaxy.account.get()
    await galaxy.account.get()
    assert len(gateway.request_ids) == 2
    assert abs(galaxy._clock.offset_ms - gateway.clock_offset_ms) < 1000


async def test_a_forged_time_does_not_turn_the_clock(galaxy: Galaxy, gateway: Gateway) -> None:
    gateway.clock_offset_ms = 3_600_000
    gateway.sign_refusals_with = Signer()
    with pytest.raises(Forged):
        await galaxy.account.get()
    assert galaxy._clock.offset_ms == 0
