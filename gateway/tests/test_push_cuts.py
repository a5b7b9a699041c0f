"""A stream cut after every number of bytes: who comes back with what it had whole misses nothing, or is told to resync."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from galaxy.edge.v1 import edge_pb2
from gateway.push.model import RESYNC_REQUIRED, SERVER_TIME
from gateway.settings import EdgeSettings, PushSettings
from gateway.tests.backend import FakeBackend, FakePush
from gateway.tests.clients import EdgeClient, Refused, edge_client
from gateway.tests.conftest import PushGatewayStarter, metric
from gateway.tests.player import Player
from kit.redis_pool import RedisSettings, open_redis
from kit.testing import eventually

pytestmark = pytest.mark.stores
_PATIENCE_SECONDS = 10
_NO_CUT = 1 << 20
_STRIDE_BYTES = 23
_FRAME_BYTES_MAX = 32
"""What protocols put around an event: a chunk's or frame's head, a message's prefix."""


class Wire:
    """A way to the edge that breaks after a number of bytes of answers, and stays broken."""

    def __init__(self, edge: str, breaks_after_bytes: int) -> None:
        self._host, _, self._port = edge.partition(":")
        self._left = breaks_after_bytes
        self._connections: set[asyncio.Task[None]] = set()
        self.passed = 0
        """Bytes of answers so far."""
        self.address = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Wire"]:
        """Carry connections for the length of the context."""
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()[:2]
        self.address = f"{host}:{port}"
        async with server:
            yield self
        # A gRPC channel may be connecting anew while it is closed.
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either side ends it or the wire breaks."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(_close, writer)
            there, back = await asyncio.open_connection(self._host, int(self._port))
            stack.push_async_callback(_close, back)
            ways = [
                asyncio.create_task(self._carry_requests(reader, back)),
                asyncio.create_task(self._carry_answers(there, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)

    async def _carry_requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()

    async def _carry_answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while self._left and (data := await reader.read(self._left)):
            self._left -= len(data)
            self.passed += len(data)
            writer.write(data)
            await writer.drain()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


class Lanes:
    """Both sources of events; knows what it told, and where each lane stood before."""

    def __init__(self, push: FakePush, redis: Redis, stream: str, epoch: str) -> None:
        self._push = push
        self._redis = redis
        self._stream = stream
        self._epoch = epoch
        self._last_entry = "0-0"

    def ends(self) -> dict[str, str]:
        """Return the cursors of a client that has seen all there is."""
        return {
            "push": f"push:{self._push.epoch}:{len(self._push.frames)}",
            "stream": f"stream:{self._epoch}:{self._last_entry}",
        }

    async def tell(self, user_id: str, *event_ids: str) -> None:
        """Emit events, on the lane that the first letter of each names."""
        for event_id in event_ids:
            if event_id.startswith("p"):
                await self._push.tell(user_id, event_id)
                continue
            fields: dict[Any, Any] = {
                "user_id": user_id,
                "device_session_id": "",
                "event_type": "notification.game.turn.ready",
                "event_id": event_id,
                "payload_bytes": "{}",
                "occurred_at": "2030-01-01T00:00:00.000Z",
                "request_id": "",
                "trace_id": "",
            }
            entry: Any = await self._redis.xadd(self._stream, fields)
            self._last_entry = entry.decode()


@pytest.fixture
async def redis(redis_settings: RedisSettings) -> AsyncIterator[Redis]:
    async with open_redis(redis_settings) as client:
        yield client


async def epoch_of(redis: Redis, stream: str) -> str:
    epoch: Any = await redis.get(f"{stream}:epoch")
    return str(epoch.decode())


def resumed(cursors: dict[str, str]) -> dict[str, Any]:
    return {"resume_after": [{"lane": lane, "cursor": cursor} for lane, cursor in cursors.items()]}


class Progress:
    """How far a reader has come, for a teller who waits for it.

    A client that gets events and the break of its connection in one read may drop the events: only who tells the next one
    after the last was taken knows that a break finds the client with some of them.
    """

    def __init__(self) -> None:
        self._came: asyncio.Queue[str | None] = asyncio.Queue()

    def note(self, event_id: str | None) -> None:
        """Hear of an event, or with None of the stream's end."""
        self._came.put_nowait(event_id)

    async def until(self, *event_ids: str) -> None:
        """Wait until all these came, or the stream ended."""
        awaited = set(event_ids)
        while awaited:
            came = await self._came.get()
            if came is None:
                self.note(None)
                return
            awaited.discard(came)


def in_turn(cut: int) -> bool:
    """Tell whether the teller waits for the reader: at every other cut; at the rest they race."""
    return cut % 2 == 1


async def whole_events(
    client: EdgeClient,
    player: Player,
    cursors: dict[str, str],
    through: Collection[str],
    progress: Progress | None = None,
) -> list[edge_pb2.Event]:
    """Read a stream until all these events came or the wire breaks; return what came whole."""
    progress = progress or Progress()
    awaited = set(through)
    came = []
    events = client.subscribe(player.subscription(resumed(cursors)))
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            with contextlib.suppress(Refused):
                async for event in events:
                    came.append(event)
                    progress.note(event.event_id)
                    awaited.discard(event.event_id)
                    if not awaited:
                        break
    finally:
        progress.note(None)
    await events.aclose()  # type: ignore[attr-defined]
    if came:
        assert came.pop(0).event_type == SERVER_TIME
    return came


def moved(cursors: dict[str, str], events: Sequence[edge_pb2.Event]) -> dict[str, str]:
    """Return the cursors of a client that has seen these as well."""
    return cursors | {event.cursor.partition(":")[0]: event.cursor for event in events}


def ids_of(lane: str, events: Sequence[edge_pb2.Event]) -> list[str]:
    return [event.event_id for event in events if event.cursor.startswith(lane)]


@pytest.mark.parametrize("engine", ["httpunk", "zttp"])
@pytest.mark.parametrize("kind", ["connect-h1", "grpc-h2"])
async def test_inside_history_a_cut_at_any_byte_loses_and_repeats_nothing(
    start_gateway_with_push: PushGatewayStarter,
    push: FakePush,
    backend: FakeBackend,
    redis: Redis,
    redis_settings: RedisSettings,
    kind: str,
    engine: str,
):
    """Cuts lie a few bytes apart all along the stream, and with the first engine at every byte of the last two events."""
    gateway = await start_gateway_with_push(push, edge=EdgeSettings.model_validate({"server": engine}))
    stream = redis_settings.key("gateway:client-events")
    lanes = Lanes(push, redis, stream, await epoch_of(redis, stream))
    before, during, away, after = ("p1", "n1"), ("p2", "n2"), ("p3", "n3"), ("p4", "n4")
    async with edge_client(kind, gateway.addresses["edge"]) as straight:

        async def had_whole(answer_bytes: int) -> tuple[list[edge_pb2.Event], int]:
            """Cut there, come back, check; return what the client had when the wire broke, and the bytes that passed."""
            player = backend.admit(Player())
            cursors = lanes.ends()
            await lanes.tell(player.user_id, *before)
            async with (
                Wire(gateway.addresses["edge"], answer_bytes).running() as wire,
                edge_client(kind, wire.address) as client,
            ):
                progress = Progress()
                first = asyncio.create_task(whole_events(client, player, cursors, before + during, progress))
                if in_turn(answer_bytes):
                    await progress.until(*before)
                await lanes.tell(player.user_id, *during)
                had = await first
            await lanes.tell(player.user_id, *away)
            missed = {*before, *during, *away, *after} - {event.event_id for event in had}
            again = asyncio.create_task(whole_events(straight, player, moved(cursors, had), missed))
            await lanes.tell(player.user_id, *after)
            events = [*had, *await again]
            assert ids_of("push", events) == ["p1", "p2", "p3", "p4"], f"cut after {answer_bytes} bytes"
            assert ids_of("stream", events) == ["n1", "n2", "n3", "n4"], f"cut after {answer_bytes} bytes"
            assert len(events) == 8, f"something else came after {answer_bytes} bytes"
            return had, wire.passed

        uncut, ends = await had_whole(_NO_CUT)
        assert len(uncut) == 4
        cuts = set(range(0, ends + _STRIDE_BYTES, _STRIDE_BYTES))
        if engine == "httpunk":
            last_two = sum(event.ByteSize() + _FRAME_BYTES_MAX for event in uncut[-2:])
            cuts |= set(range(ends - last_two, ends))
        counts = {len((await had_whole(cut))[0]) for cut in sorted(cuts)}
        assert counts > {0, 4}, "the cuts fall before, among and behind the events"


@pytest.mark.parametrize("kind", ["connect-h1", "grpc-h2"])
async def test_outside_history_a_cut_at_any_byte_is_answered_by_a_resync_and_no_part_of_the_past(
    start_gateway_with_push: PushGatewayStarter,
    push: FakePush,
    backend: FakeBackend,
    http: aiohttp.ClientSession,
    kind: str,
):
    kept = PushSettings(history_events_max=3)
    gateway = await start_gateway_with_push(push, push=kept, client_events_redis_stream="")
    async with edge_client(kind, gateway.addresses["edge"]) as straight:

        async def all_dispatched() -> bool:
            published = await metric(http, gateway, "gateway_push_events_published_total")
            return published == len(push.frames)

        async def came_after(answer_bytes: int) -> tuple[int, list[str], int]:
            """Cut there, come back; return how many events the client had whole, what came then, and the bytes passed."""
            player = backend.admit(Player())
            cursors = {"push": f"push:{push.epoch}:{len(push.frames)}"}
            async with (
                Wire(gateway.addresses["edge"], answer_bytes).running() as wire,
                edge_client(kind, wire.address) as client,
            ):
                progress = Progress()
                awaited = {"p1", "p2", "p3"}
                first = asyncio.create_task(whole_events(client, player, cursors, awaited, progress))
                for event_id in sorted(awaited):
                    await push.tell(player.user_id, event_id)
                    if in_turn(answer_bytes):
                        await progress.until(event_id)
                had = await first
            for event_id in ("p4", "p5"):
                await push.tell(player.user_id, event_id)
            await eventually(all_dispatched, interval=0.002)
            push.reaches_back_to = len(push.frames)
            assert ids_of("push", had) == ["p1", "p2", "p3"][: len(had)]
            again = straight.subscribe(player.subscription(resumed(moved(cursors, had))))
            async with asyncio.timeout(_PATIENCE_SECONDS):
                assert (await anext(again)).event_type == SERVER_TIME
                came = [
                    await anext(again)
                ]  # the past was looked up: what is told from now on is no part of it
                await push.tell(player.user_id, "p6")
                while came[-1].event_id != "p6":
                    came.append(await anext(again))
            await again.aclose()  # type: ignore[attr-defined]
            told = [e.event_type if e.event_type == RESYNC_REQUIRED else e.event_id for e in came]
            return len(had), told, wire.passed

        had, _, ends = await came_after(_NO_CUT)
        assert had == 3
        seen = set()
        for cut in range(0, ends + _STRIDE_BYTES, _STRIDE_BYTES):
            had, came, _ = await came_after(cut)
            seen.add(had)
            # p3 and what follows is kept: who has p2 misses nothing, who has not must not get a part.
            rest = ["p3", "p4", "p5"][had - 2 :] if had >= 2 else [RESYNC_REQUIRED]
            assert came == [*rest, "p6"], f"cut after {cut} bytes"
        assert seen > {0, 3}
