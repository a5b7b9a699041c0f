"""The event stream: verified, resumed, reconnected, and ended where it must be."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError

from client.errors import CannotReach, Forged, NotSignedIn, SessionRevoked
from client.events import Event, EventStream
from client.events.stream import Watchfulness
from client.sdk import Galaxy
from client.tests.gateway import Gateway, Signer, refused
from kit.backoff import Backoff

QUICK = Backoff(first=timedelta(milliseconds=5), ceiling=timedelta(milliseconds=20))


def stream_of(galaxy: Galaxy, resume_after: dict[str, str] | None = None, **watchfulness: Any) -> EventStream:
    return EventStream(
        galaxy._connected(),
        galaxy.identity.user_id,
        resume_after=resume_after,
        watchfulness=Watchfulness(**watchfulness),
        backoff=QUICK,
    )


@asynccontextmanager
async def reading(stream: EventStream) -> AsyncIterator[Any]:
    """Open a stream and give a function that returns its next event within five seconds."""
    iterator = aiter(stream)

    async def following() -> Event:
        async with asyncio.timeout(5):
            return await anext(iterator)

    try:
        yield following
    finally:
        await iterator.aclose()


def signal(gateway: Gateway, galaxy: Galaxy, number: int, **more: Any) -> Any:
    return gateway.event(
        galaxy.identity.user_id, "game.changed", {"turn": number}, cursor=f"push:1:{number}", **more
    )


async def test_events_come_verified_and_in_order(galaxy: Galaxy, gateway: Gateway) -> None:
    async with reading(stream_of(galaxy)) as following:
        assert (await following()).event_type == "gateway.server_time"
        gateway.publish(signal(gateway, galaxy, 1))
        gateway.publish(signal(gateway, galaxy, 2))
        assert [(await following()).payload["turn"] for _ in range(2)] == [1, 2]
    assert gateway.subscriptions == [[]]


async def test_heartbeats_are_not_given_to_the_caller(galaxy: Galaxy, gateway: Gateway) -> None:
    async with reading(stream_of(galaxy)) as following:
        await following()
        gateway.publish(gateway.event(galaxy.identity.user_id, "gateway.heartbeat", {}))
        gateway.publish(signal(gateway, galaxy, 1))
        assert (await following()).event_type == "game.changed"


async def test_a_lost_stream_resumes_behind_the_last_event_dealt_with(
    galaxy: Galaxy, gateway: Gateway
) -> None:
    """gateway-runbook-latest:79, gateway-runbook-redis-streams:36."""
    async with reading(stream_of(galaxy)) as following:
        await following()
        first = signal(gateway, galaxy, 1)
        gateway.publish(first)
        gateway.publish(
            gateway.event(galaxy.identity.user_id, "notification.game.started", {}, cursor="stream:9:5-0")
        )
        await following()
        await following()
        gateway.publish(ConnectError(Code.UNAVAILABLE, "gateway is shutting down"))
        assert (await following()).event_type == "gateway.server_time"
        gateway.publish(first)  # a gateway may repeat what was in flight
        gateway.publish(signal(gateway, galaxy, 2))
        assert (await following()).payload == {"turn": 2}
    assert gateway.subscriptions[1] == [
        {"lane": "push", "cursor": "push:1:1"},
        {"lane": "stream", "cursor": "stream:9:5-0"},
    ]


async def test_an_event_that_the_caller_did_not_deal_with_is_not_skipped(
    galaxy: Galaxy, gateway: Gateway
) -> None:
    stream = stream_of(galaxy)
    async with reading(stream) as following:
        await following()
        gateway.publish(signal(gateway, galaxy, 7))
        await following()
        assert stream.cursors == {}


async def test_given_cursors_open_the_stream(galaxy: Galaxy, gateway: Gateway) -> None:
    async with reading(stream_of(galaxy, {"push": "push:1:41"})) as following:
        await following()
    assert gateway.subscriptions == [[{"lane": "push", "cursor": "push:1:41"}]]


async def test_a_resync_is_told_and_forgets_that_lanes_cursor(galaxy: Galaxy, gateway: Gateway) -> None:
    stream = stream_of(galaxy, {"push": "push:1:41", "stream": "stream:9:5-0"})
    async with reading(stream) as following:
        await following()
        gateway.publish(gateway.event(galaxy.identity.user_id, "gateway.resync_required", {"lane": "push"}))
        told = await following()
        assert (told.event_type, told.payload) == ("gateway.resync_required", {"lane": "push"})
        gateway.publish(signal(gateway, galaxy, 90))
        await following()
        assert stream.cursors == {"stream": "stream:9:5-0"}


async def test_a_silent_gateway_is_taken_for_gone(galaxy: Galaxy, gateway: Gateway) -> None:
    async with reading(stream_of(galaxy, silence_seconds=0.1)) as following:
        assert (await following()).event_type == "gateway.server_time"
        assert (await following()).event_type == "gateway.server_time"
    assert len(gateway.subscriptions) == 2


async def test_an_overflow_is_followed_by_a_resumed_stream(galaxy: Galaxy, gateway: Gateway) -> None:
    """gateway-runbook-latest:124, gateway-runbook-redis-streams:64."""
    async with reading(stream_of(galaxy)) as following:
        await following()
        gateway.publish(ConnectError(Code.RESOURCE_EXHAUSTED, "push stream overflowed"))
        assert (await following()).event_type == "gateway.server_time"


async def test_patience_ends_with_an_error(galaxy: Galaxy, gateway: Gateway) -> None:
    gateway.failures = [ConnectError(Code.UNAVAILABLE, "backend is away") for _ in range(1000)]
    async with reading(stream_of(galaxy, patience_seconds=0.1)) as following:
        with pytest.raises(CannotReach):
            await following()


async def test_a_revocation_ends_the_stream(galaxy: Galaxy, gateway: Gateway) -> None:
    async with reading(stream_of(galaxy)) as following:
        await following()
        gateway.publish(refused("session_revoked", "device session is revoked"))
        with pytest.raises(SessionRevoked):
            await following()


async def test_an_unknown_session_ends_the_stream(galaxy: Galaxy, gateway: Gateway) -> None:
    gateway.sessions.clear()
    async with reading(stream_of(galaxy)) as following:
        with pytest.raises(NotSignedIn):
            await following()


async def test_a_wrong_clock_learns_from_the_refused_subscription(galaxy: Galaxy, gateway: Gateway) -> None:
    gateway.clock_offset_ms = -7_200_000
    async with reading(stream_of(galaxy)) as following:
        assert (await following()).event_type == "gateway.server_time"
    assert abs(galaxy._clock.offset_ms + 7_200_000) < 1000


async def test_a_cancelled_reader_is_cancelled_and_nothing_else(galaxy: Galaxy, gateway: Gateway) -> None:
    """The RPC library turns a cancellation into an error of its own; asyncio must get it back."""
    async with reading(stream_of(galaxy)) as following:
        await following()
        waiting = asyncio.create_task(following())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


# --- belief


async def test_an_event_for_another_user_is_forged(galaxy: Galaxy, gateway: Gateway) -> None:
    async with reading(stream_of(galaxy)) as following:
        await following()
        gateway.publish(gateway.event("someone-else", "game.changed", {}, cursor="push:1:1"))
        with pytest.raises(Forged):
            await following()


async def test_a_changed_event_is_forged(galaxy: Galaxy, gateway: Gateway) -> None:
    async with reading(stream_of(galaxy)) as following:
        await following()
        event = signal(gateway, galaxy, 1)
        event.cursor = "push:1:2"
        gateway.publish(event)
        with pytest.raises(Forged):
            await following()


async def test_an_event_by_an_unpublished_key_is_forged(galaxy: Galaxy, gateway: Gateway) -> None:
    async with reading(stream_of(galaxy)) as following:
        await following()
        gateway.signer = Signer()
        gateway.publish(signal(gateway, galaxy, 1))
        with pytest.raises(Forged):
            await following()


async def test_a_stream_recorded_earlier_is_forged(galaxy: Galaxy, gateway: Gateway) -> None:
    """The first event is bound to the session and the request that opened the stream."""

    def replayed(event: Any) -> None:
        if event.event_type == "gateway.server_time":
            event.CopyFrom(
                gateway.event(galaxy.identity.device_session_id, "game.changed", {}, signed_cursor="B" * 22)
            )
            event.event_type = "gateway.server_time"

    gateway.tamper_event = replayed
    async with reading(stream_of(galaxy)) as following:
        with pytest.raises(Forged):
            await following()


async def test_a_second_beginning_inside_a_stream_is_forged(galaxy: Galaxy, gateway: Gateway) -> None:
    async with reading(stream_of(galaxy)) as following:
        await following()
        gateway.publish(gateway.event(galaxy.identity.user_id, "gateway.server_time", {}))
        with pytest.raises(Forged):
            await following()


async def test_an_old_heartbeat_played_again_is_forged(galaxy: Galaxy, gateway: Gateway) -> None:
    user = galaxy.identity.user_id
    now = gateway.now_ms()
    async with reading(stream_of(galaxy)) as following:
        await following()
        gateway.publish(gateway.event(user, "gateway.heartbeat", {}, timestamp_ms=now))
        gateway.publish(gateway.event(user, "gateway.heartbeat", {}, timestamp_ms=now - 25_000))
        with pytest.raises(Forged, match="played again"):
            await following()
