"""Event streams through the whole gateway: lanes, resumes, revocations, gaps, heartbeats."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from redis.asyncio import Redis

from galaxy.edge.v1 import edge_pb2
from galaxy.push.v1 import push_pb2
from gateway.settings import LimitSettings, PushSettings
from gateway.tests.backend import FakeBackend, FakePush
from gateway.tests.clients import Refused, edge_client
from gateway.tests.conftest import GatewayStarter, PushGatewayStarter, metric
from gateway.tests.player import Player, verify_event
from kit.redis_pool import RedisSettings, open_redis
from kit.testing import eventually

pytestmark = pytest.mark.stores


@pytest.fixture
async def redis(redis_settings: RedisSettings) -> AsyncIterator[Redis]:
    async with open_redis(redis_settings) as client:
        yield client


@pytest.fixture
def notify(redis: Redis, redis_settings: RedisSettings) -> Callable[..., Any]:
    """Return a writer of the client-events stream."""

    async def write(user_id: str, event_id: str, /, **changes: str) -> str:
        fields: dict[Any, Any] = {
            "user_id": user_id,
            "device_session_id": "",
            "event_type": "notification.game.turn.ready",
            "event_id": event_id,
            "payload_bytes": '{"turn":3}',
            "occurred_at": "2030-01-01T00:00:00.000Z",
            "request_id": "r1",
            "trace_id": "t" * 32,
        }
        entry: Any = await redis.xadd(redis_settings.key("gateway:client-events"), fields | changes)
        return str(entry.decode())

    return write


async def next_events(events: AsyncIterator[edge_pb2.Event], count: int) -> list[edge_pb2.Event]:
    async with asyncio.timeout(10):
        return [await anext(events) for _ in range(count)]


async def test_notifications_reach_their_player(
    start_gateway: GatewayStarter, player: Player, notify: Callable[..., Any], signer_key: Ed25519PrivateKey
):
    """gateway-runbook-redis-streams:53 entries of the client-events stream are consumed.

    gateway-runbook-redis-streams:51-52 the first event is gateway.server_time; gateway-runbook-redis-streams:6 the stream
    did not exist before.
    gateway-runtime:33.
    """
    gateway = await start_gateway()
    async with edge_client("connect-h2", gateway.addresses["edge"]) as client:
        events = client.subscribe(player.subscription())
        first = await anext(events)
        assert first.event_type == "gateway.server_time"
        assert orjson.loads(first.payload_bytes) == {"server_time_ms": first.timestamp_ms}
        await notify("someone-else", "e0")
        entry = await notify(player.user_id, "e1")
        (event,) = await next_events(events, 1)
    assert (event.event_type, event.event_id) == ("notification.game.turn.ready", "e1")
    assert event.cursor.startswith("stream:")
    assert event.cursor.endswith(entry)
    assert event.timestamp_ms == int(datetime(2030, 1, 1, tzinfo=UTC).timestamp() * 1000)
    assert (event.request_id, event.trace_id) == ("r1", "t" * 32)
    verify_event(signer_key.public_key(), player.user_id, event.cursor, event)


async def test_malformed_entries_are_dropped_and_the_next_one_delivered(
    start_gateway: GatewayStarter,
    player: Player,
    notify: Callable[..., Any],
    redis: Redis,
    redis_settings: RedisSettings,
    http: aiohttp.ClientSession,
):
    """gateway-runbook-redis-streams:55 malformed entries are dropped."""
    gateway = await start_gateway()
    async with edge_client("connect-h2", gateway.addresses["edge"]) as client:
        events = client.subscribe(player.subscription())
        await anext(events)
        for broken in (
            {"user_id": ""},
            {"event_id": ""},
            {"event_type": "game.changed"},
            {"payload_bytes": "{"},
            {"payload_bytes": '"' + "x" * 70_000 + '"'},
            {"occurred_at": "yesterday"},
            {"occurred_at": "2030-01-01T00:00:00"},
        ):
            await notify(player.user_id, "bad", **broken)
        await redis.xadd(redis_settings.key("gateway:client-events"), {b"user_id": b"\xff"})
        await notify(player.user_id, "good")
        (event,) = await next_events(events, 1)
        assert event.event_id == "good"
    assert await metric(http, gateway, "gateway_push_events_malformed_total", source="client_events") == 8


async def test_a_resume_gives_what_was_missed_once_and_in_order(
    start_gateway_with_push: PushGatewayStarter, push: FakePush, player: Player, notify: Callable[..., Any]
):
    gateway = await start_gateway_with_push(push)
    async with edge_client("connect-h2", gateway.addresses["edge"]) as client:
        events = client.subscribe(player.subscription())
        await anext(events)
        await push.tell(player.user_id, "p1")
        await notify(player.user_id, "n1")
        seen = await next_events(events, 2)
        cursors = {event.cursor.partition(":")[0]: event.cursor for event in seen}
        await events.aclose()  # type: ignore[attr-defined]
        await push.tell(player.user_id, "p2")
        await push.tell(player.user_id, "only-the-other-device", session=Player().device_session_id)
        await notify(player.user_id, "n2")
        await notify(player.user_id, "n3")
        resumed = {"resume_after": [{"lane": lane, "cursor": cursor} for lane, cursor in cursors.items()]}
        events = client.subscribe(player.subscription(resumed))
        await push.tell(player.user_id, "p3")
        later = await next_events(events, 5)
    ids = [event.event_id for event in later[1:]]
    assert sorted(ids) == ["n2", "n3", "p2", "p3"]
    assert ids.index("p2") < ids.index("p3")
    assert ids.index("n2") < ids.index("n3")


async def test_another_gateway_resumes_from_the_sources(
    start_gateway_with_push: PushGatewayStarter, push: FakePush, player: Player, notify: Callable[..., Any]
):
    """A cursor is a position at the source: a gateway that began later reads the past there."""
    first = await start_gateway_with_push(push)
    async with edge_client("connect-h2", first.addresses["edge"]) as client:
        events = client.subscribe(player.subscription())
        await anext(events)
        await push.tell(player.user_id, "p1")
        await notify(player.user_id, "n1")
        seen = await next_events(events, 2)
        await events.aclose()  # type: ignore[attr-defined]
    await push.tell(player.user_id, "p2")
    await notify(player.user_id, "n2")
    await notify("someone-else", "n3")
    second = await start_gateway_with_push(push)
    resumed = {
        "resume_after": [{"lane": event.cursor.partition(":")[0], "cursor": event.cursor} for event in seen]
    }
    async with edge_client("grpc-h2", second.addresses["edge"]) as client:
        events = client.subscribe(player.subscription(resumed))
        later = await next_events(events, 3)
        assert {event.event_id for event in later[1:]} == {"p2", "n2"}
        await push.tell(player.user_id, "p4")
        await notify(player.user_id, "n4")
        assert {event.event_id for event in await next_events(events, 2)} == {"p4", "n4"}
        await events.aclose()  # type: ignore[attr-defined]


async def test_a_client_that_comes_back_before_our_subscription_resumes_all_the_same(
    start_gateway: GatewayStarter, player: Player
):
    """After a restart of the gateway its clients are quicker than its own subscription."""
    ring = FakePush()
    for number in range(1, 5):
        await ring.tell(player.user_id, f"p{number}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        target = f"127.0.0.1:{free.getsockname()[1]}"
    gateway = await start_gateway(push_target=target)
    resumed = {"resume_after": [{"lane": "push", "cursor": "push:epoch-1:2"}]}
    async with edge_client("connect-h2", gateway.addresses["edge"]) as client:
        events = client.subscribe(player.subscription(resumed))
        assert (await anext(events)).event_type == "gateway.server_time"
        async with ring.running(target):
            assert [event.event_id for event in await next_events(events, 2)] == ["p3", "p4"]
            await ring.tell(player.user_id, "p5")
            assert [event.event_id for event in await next_events(events, 1)] == ["p5"]
            await events.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("cursor", ["push:another-life:3", "stream:another-life:5-0"])
async def test_a_cursor_of_another_life_asks_for_a_resync(
    start_gateway_with_push: PushGatewayStarter,
    push: FakePush,
    player: Player,
    cursor: str,
    signer_key: Ed25519PrivateKey,
):
    gateway = await start_gateway_with_push(push)
    lane = cursor.partition(":")[0]
    async with edge_client("connect-h2", gateway.addresses["edge"]) as client:
        events = client.subscribe(player.subscription({"resume_after": [{"lane": lane, "cursor": cursor}]}))
        _, event = await next_events(events, 2)
        assert (event.event_type, orjson.loads(event.payload_bytes)) == (
            "gateway.resync_required",
            {"lane": lane},
        )
        verify_event(signer_key.public_key(), player.user_id, "", event)
        await events.aclose()  # type: ignore[attr-defined]


async def test_a_trimmed_past_asks_for_a_resync_and_replays_nothing(
    start_gateway: GatewayStarter,
    player: Player,
    notify: Callable[..., Any],
    redis: Redis,
    redis_settings: RedisSettings,
):
    stream = redis_settings.key("gateway:client-events")
    first = await notify(player.user_id, "n1")
    await notify(player.user_id, "n2")
    await notify(player.user_id, "n3")
    gateway = await start_gateway()
    await redis.xtrim(stream, maxlen=1, approximate=False)
    epoch: Any = await redis.get(f"{stream}:epoch")
    resumed = {"resume_after": [{"lane": "stream", "cursor": f"stream:{epoch.decode()}:{first}"}]}
    async with edge_client("connect-h2", gateway.addresses["edge"]) as client:
        events = client.subscribe(player.subscription(resumed))
        _, event = await next_events(events, 2)
        assert event.event_type == "gateway.resync_required"
        await notify(player.user_id, "n4")
        assert [event.event_id for event in await next_events(events, 1)] == ["n4"]
        await events.aclose()  # type: ignore[attr-defined]


async def test_a_flushed_stream_is_told_to_open_streams_and_goes_on(
    start_gateway: GatewayStarter,
    player: Player,
    notify: Callable[..., Any],
    redis: Redis,
    redis_settings: RedisSettings,
):
    stream = redis_settings.key("gateway:client-events")
    gateway = await start_gateway()
    async with edge_client("connect-h2", gateway.addresses["edge"]) as client:
        events = client.subscribe(player.subscription())
        await anext(events)
        await notify(player.user_id, "n1")
        (before,) = await next_events(events, 1)
        await redis.delete(stream, f"{stream}:epoch")
        await notify(player.user_id, "n2")
        resync, after = await next_events(events, 2)
        assert (resync.event_type, after.event_id) == ("gateway.resync_required", "n2")
        assert before.cursor.split(":")[1] != after.cursor.split(":")[1]
        await events.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("target", ["session", "user"])
async def test_an_invalidation_ends_the_stream_and_refuses_the_next_command(
    start_gateway_with_push: PushGatewayStarter,
    push: FakePush,
    player: Player,
    backend: FakeBackend,
    target: str,
    capfd: pytest.CaptureFixture[str],
):
    """gateway-runbook-latest:88 an invalidation closes the subscription, and the log says so.

    gateway-runbook-latest:93 the next request of that session is rejected.
    gateway-runbook-latest:104-106.
    """
    gateway = await start_gateway_with_push(push)
    async with edge_client("connect-h2", gateway.addresses["edge"]) as client:
        events = client.subscribe(player.subscription())
        await anext(events)
        await push.tell(player.user_id, "seen-in-the-log")
        await next_events(events, 1)
        invalid = (
            {"device_session_id": player.device_session_id}
            if target == "session"
            else {"user_id": player.user_id}
        )
        await push.emit(
            session_invalidation=push_pb2.SessionInvalidation(reason="revoked_by_operator", **invalid)
        )
        with pytest.raises(Refused, check=lambda r: r.code == "failed_precondition"):
            await next_events(events, 1)
        # The backend still answers "active": the revocation is final here all the same.
        with pytest.raises(Refused) as refused:
            await client.execute(player.command("user.account.get"))
        assert (refused.value.code, refused.value.message) == (
            "failed_precondition",
            "device session is revoked",
        )
    log = capfd.readouterr().out.splitlines()
    (dispatched,) = [line for line in log if "push_event_dispatched" in line]
    assert "push_dispatcher" in dispatched
    assert "seen-in-the-log" in dispatched
    (closed,) = [line for line in log if "push_stream_closed" in line]
    assert "revoked" in closed
    assert player.device_session_id in closed
    assert player.user_id in closed


async def test_a_session_snapshot_on_redis_is_a_second_source_of_revocations(
    start_gateway: GatewayStarter, player: Player, redis: Redis, redis_settings: RedisSettings
):
    """gateway-runbook-redis-streams:43-44 the session-events stream is consumed, from the gateway's own Redis.

    gateway-runbook-redis-streams:41-42, gateway-runbook-redis-streams:43, gateway-runbook-redis-streams:44.
    """
    gateway = await start_gateway(session_events_redis_stream="gateway:session-events")
    stream = redis_settings.key("gateway:session-events")
    async with edge_client("connect-h2", gateway.addresses["edge"]) as client:
        events = client.subscribe(player.subscription())
        await anext(events)
        await redis.xadd(stream, {"device_session_id": player.device_session_id})
        snapshot: dict[Any, Any] = {
            "device_session_id": player.device_session_id,
            "user_id": player.user_id,
            "revoked_at": "",
        }
        await redis.xadd(stream, snapshot | {"status": "active"})
        await redis.xadd(stream, snapshot | {"status": "revoked"})
        await redis.xadd(stream, snapshot | {"status": "active"})
        with pytest.raises(Refused, check=lambda r: r.message == "device session is revoked"):
            await next_events(events, 1)
        with pytest.raises(Refused, check=lambda r: r.message == "device session is revoked"):
            await client.execute(player.command("user.account.get"))


async def test_an_incomplete_snapshot_counts_for_nothing(
    start_gateway: GatewayStarter,
    player: Player,
    redis: Redis,
    redis_settings: RedisSettings,
    http: aiohttp.ClientSession,
):
    """gateway-runbook-redis-streams:45"""
    gateway = await start_gateway(session_events_redis_stream="gateway:session-events")
    stream = redis_settings.key("gateway:session-events")
    whole: dict[Any, Any] = {
        "device_session_id": player.device_session_id,
        "user_id": player.user_id,
        "status": "revoked",
    }
    async with edge_client("connect-h2", gateway.addresses["edge"]) as client:
        events = client.subscribe(player.subscription())
        await anext(events)
        for name in whole:
            await redis.xadd(stream, {k: v for k, v in whole.items() if k != name})
            await redis.xadd(stream, whole | {name: ""})
        await redis.xadd(stream, whole | {"status": "gone"})
        await redis.xadd(stream, whole | {"device_session_id": "no uuid"})

        async def all_dropped() -> bool:
            dropped = "gateway_push_events_malformed_total"
            return await metric(http, gateway, dropped, source="session_events") == 2 * len(whole) + 2

        await eventually(all_dropped)
        await client.execute(player.command("user.account.get"))
        await redis.xadd(stream, whole)
        with pytest.raises(Refused, check=lambda r: r.message == "device session is revoked"):
            await next_events(events, 1)


async def test_a_revocation_lost_with_the_subscription_still_ends_the_stream(
    start_gateway_with_push: PushGatewayStarter, push: FakePush, player: Player, backend: FakeBackend
):
    gateway = await start_gateway_with_push(push)
    bystander = backend.admit(Player())
    async with edge_client("connect-h2", gateway.addresses["edge"]) as client:
        events = client.subscribe(player.subscription())
        others = client.subscribe(bystander.subscription())
        await anext(events)
        await anext(others)
        backend.revoke(player)  # and nobody says so
        await push.begin_anew()
        push.cut()

        async def until_the_end() -> None:
            async for _ in events:
                pass

        with pytest.raises(Refused, check=lambda r: r.message == "device session is revoked"):
            await asyncio.wait_for(until_the_end(), 10)
        await push.tell(bystander.user_id, "still-here")
        ids = [event.event_id or event.event_type for event in await next_events(others, 2)]
        assert ids[-1] == "still-here"
        await others.aclose()  # type: ignore[attr-defined]


async def test_a_revocation_during_admission_is_not_missed(
    start_gateway_with_push: PushGatewayStarter,
    push: FakePush,
    player: Player,
    backend: FakeBackend,
    http: aiohttp.ClientSession,
):
    gateway = await start_gateway_with_push(push)
    backend.lookup_hold = asyncio.Event()
    async with edge_client("connect-h2", gateway.addresses["edge"]) as client:
        opening = asyncio.ensure_future(next_events(client.subscribe(player.subscription()), 1))
        async with asyncio.timeout(10):
            await backend.lookup_held.wait()
        await push.emit(
            session_invalidation=push_pb2.SessionInvalidation(
                device_session_id=player.device_session_id, reason="expired"
            )
        )
        await push.tell("nobody", "after")

        async def dispatched() -> bool:
            return await metric(http, gateway, "gateway_push_events_published_total") == 1

        await eventually(dispatched)
        backend.lookup_hold.set()
        with pytest.raises(Refused, check=lambda r: r.message == "device session is revoked"):
            await opening


async def test_a_silent_stream_has_a_heart(
    start_gateway: GatewayStarter, player: Player, signer_key: Ed25519PrivateKey
):
    gateway = await start_gateway(push=PushSettings.model_validate({"heartbeat_interval": "50ms"}))
    async with edge_client("connect-h1", gateway.addresses["edge"]) as client:
        events = client.subscribe(player.subscription())
        _, beat, another = await next_events(events, 3)
        assert beat.event_type == another.event_type == "gateway.heartbeat"
        verify_event(signer_key.public_key(), player.user_id, "", beat)
        await events.aclose()  # type: ignore[attr-defined]


async def test_a_malformed_resume_is_refused_and_leaves_nothing_behind(
    start_gateway: GatewayStarter, player: Player, http: aiohttp.ClientSession
):
    gateway = await start_gateway()
    async with edge_client("connect-h1", gateway.addresses["edge"]) as client:
        with pytest.raises(Refused) as refused:
            await anext(client.subscribe(player.subscription({"resume_after": "now"})))
    assert refused.value.code == "invalid_argument"
    assert refused.value.message.startswith("payload_bytes: ")
    assert await metric(http, gateway, "gateway_push_streams") == 0


async def test_a_session_opens_a_bounded_number_of_streams(start_gateway: GatewayStarter, player: Player):
    gateway = await start_gateway(limits=LimitSettings(session_streams_max=1))
    async with edge_client("connect-h2", gateway.addresses["edge"]) as client:
        events = client.subscribe(player.subscription())
        await anext(events)
        with pytest.raises(Refused, check=lambda r: r.code == "resource_exhausted"):
            await anext(client.subscribe(player.subscription()))
        await events.aclose()  # type: ignore[attr-defined]


async def test_subscriptions_that_nobody_signed_take_no_place_of_a_sessions_streams(
    start_gateway: GatewayStarter, player: Player, backend: FakeBackend, http: aiohttp.ClientSession
):
    """Who knows a session's id alone could otherwise shut its owner out while lookups are slow."""
    gateway = await start_gateway(limits=LimitSettings(session_streams_max=1))
    async with edge_client("connect-h2", gateway.addresses["edge"]) as client:
        backend.lookup_hold = hold = asyncio.Event()
        forged = [
            asyncio.ensure_future(
                anext(client.subscribe(player.subscription(after={"signature": bytes(64)})))
            )
            for _ in range(3)
        ]

        async def all_looked_up() -> bool:
            return backend.lookups == 3

        await eventually(all_looked_up)
        backend.lookup_hold = None
        async with asyncio.timeout(10):
            events = client.subscribe(player.subscription())
            assert (await anext(events)).event_type == "gateway.server_time"
            hold.set()
            refusals = await asyncio.gather(*forged, return_exceptions=True)
        assert {refused.code for refused in refusals if isinstance(refused, Refused)} == {"unauthenticated"}
        with pytest.raises(Refused, check=lambda r: r.code == "resource_exhausted"):
            await anext(client.subscribe(player.subscription()))
        await events.aclose()  # type: ignore[attr-defined]
    labels = {"stage": "rate_limit", "reason": "rate_limited"}
    assert await metric(http, gateway, "gateway_pipeline_refusals_total", **labels) == 1
