"""`Push.SubscribePush` over a real socket."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import grpc
import pytest
from pydantic import SecretStr

from backend.push.model import Invalidation, InvalidationReason, Signal
from backend.push.ring import Ring
from backend.push.rpc import PushServer, PushServicer
from backend.telemetry import PushMetrics
from backend.tests.driving import GATEWAY_TOKEN
from galaxy.push.v1 import push_pb2, push_pb2_grpc
from kit.clock import SystemClock
from kit.ids import uuid7
from kit.rest import ServiceAuth
from kit.telemetry import OtelSettings, Telemetry

METADATA = (("authorization", f"Bearer {GATEWAY_TOKEN}"),)


class Bench:
    """A server over a ring, and clients of it."""

    def __init__(self, capacity: int = 100, write_timeout: timedelta = timedelta(seconds=5)) -> None:
        self.telemetry = Telemetry(
            "backend", OtelSettings(traces_exporter="none", metrics_exporter="none"), scrape=True
        )
        self.clock = SystemClock()
        self.ring = Ring(capacity, self.clock, uuid7)
        auth = ServiceAuth((("gateway", SecretStr(GATEWAY_TOKEN)),))
        self.servicer = PushServicer(auth, PushMetrics(self.telemetry), self.clock, write_timeout)
        self.server = PushServer(self.servicer, "127.0.0.1:0")
        self.channels: list[grpc.aio.Channel] = []

    def subscribe(
        self, gateway_id: str = "gateway-1", after: tuple[str, int] | None = None, metadata: Any = METADATA
    ) -> Any:
        channel = grpc.aio.insecure_channel(
            self.server.address, options=[("grpc.use_local_subchannel_pool", 1)]
        )
        self.channels.append(channel)
        request = push_pb2.SubscribePushRequest(gateway_client_id=gateway_id)
        if after is not None:
            request.resume_after.epoch, request.resume_after.offset = after
        return push_pb2_grpc.PushStub(channel).SubscribePush(request, metadata=metadata)

    def publish(self, count: int = 1, size: int = 0) -> None:
        for n in range(count):
            self.ring.publish(Signal("game.changed", ["u"], {"n": n, "fill": "x" * size}))

    def counted(self, name: str, label: str) -> float:
        lines = self.telemetry.prometheus_page()[0].decode().splitlines()
        found = [line for line in lines if line.startswith(name + "{") and label in line]
        return float(found[0].rpartition(" ")[2]) if found else 0.0


@pytest.fixture
async def bench():
    made = Bench()
    made.servicer.begin(made.ring)
    await made.server.start()
    yield made
    for channel in made.channels:
        await channel.close()
    await made.server.stop(timedelta(seconds=1))
    made.telemetry.close()


async def _open(call: Any) -> Any:
    async with asyncio.timeout(5):
        await call.initial_metadata()
    return call


async def _read(call: Any, count: int) -> list[Any]:
    async with asyncio.timeout(5):
        return [await call.read() for _ in range(count)]


async def _ending(call: Any) -> tuple[grpc.StatusCode, str]:
    async with asyncio.timeout(10):
        return await call.code(), await call.details()


async def _drain(call: Any) -> list[Any]:
    frames = []
    async with asyncio.timeout(10):
        with contextlib.suppress(grpc.aio.AioRpcError):
            while (frame := await call.read()) is not grpc.aio.EOF:
                frames.append(frame)
    return frames


async def test_a_first_subscription_begins_now_and_gets_what_follows(bench):
    bench.publish(3)
    call = await _open(bench.subscribe())
    bench.publish(2)
    bench.ring.invalidate(Invalidation(InvalidationReason.REVOKED_BY_USER, device_session_id="s"))
    frames = await _read(call, 3)
    assert [frame.offset for frame in frames] == [4, 5, 6]
    assert {frame.epoch for frame in frames} == {bench.ring.epoch}
    assert frames[0].client_event.event_type == "game.changed"
    assert frames[0].client_event.payload_bytes.startswith(b'{"n":0')
    assert not frames[0].client_event.HasField("device_session_id")
    assert frames[2].session_invalidation.device_session_id == "s"
    assert frames[2].session_invalidation.reason == "revoked_by_user"


async def test_a_resume_inside_the_ring_replays_without_a_hole(bench):
    bench.publish(10)
    call = await _open(bench.subscribe(after=(bench.ring.epoch, 4)))
    assert [frame.offset for frame in await _read(call, 6)] == [5, 6, 7, 8, 9, 10]


async def test_a_resume_at_the_newest_event_replays_nothing(bench):
    bench.publish(3)
    call = await _open(bench.subscribe(after=(bench.ring.epoch, 3)))
    bench.publish(1)
    assert [frame.offset for frame in await _read(call, 1)] == [4]


@pytest.mark.parametrize("after", [("another-life", 2), (None, 3), (None, 500), (None, -1)])
async def test_a_position_that_is_gone_gives_a_resync_and_goes_on_live(bench, after):
    bench.publish(150)  # the ring keeps 100
    epoch, offset = after
    call = await _open(bench.subscribe(after=(epoch or bench.ring.epoch, offset)))
    bench.publish(1)
    resync, live = await _read(call, 2)
    assert resync.WhichOneof("kind") == "resync"
    assert (resync.epoch, resync.offset) == (bench.ring.epoch, 150)
    assert live.offset == 151


async def test_a_second_subscription_under_one_id_ends_the_first_with_aborted(bench):
    first = await _open(bench.subscribe("gateway-1"))
    other = await _open(bench.subscribe("gateway-2"))
    second = await _open(bench.subscribe("gateway-1"))
    code, _ = await _ending(first)
    assert code is grpc.StatusCode.ABORTED
    bench.publish(1)
    assert [frame.offset for frame in await _read(second, 1)] == [1]
    assert [frame.offset for frame in await _read(other, 1)] == [1]


@pytest.mark.parametrize("metadata", [(), (("authorization", "Bearer wrong-token-wrong-token"),)])
async def test_callers_without_a_service_token_are_refused(bench, metadata):
    code, _ = await _ending(bench.subscribe(metadata=metadata))
    assert code is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("gateway_id", ["", "x" * 129])
async def test_a_gateway_has_a_name(bench, gateway_id):
    code, details = await _ending(bench.subscribe(gateway_id))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "gateway_client_id" in details


async def test_stopping_ends_streams_with_unavailable_and_refuses_new_ones(bench):
    call = await _open(bench.subscribe())
    bench.servicer.end()
    assert await _ending(call) == (grpc.StatusCode.UNAVAILABLE, "backend is shutting down")
    code, _ = await _ending(bench.subscribe())
    assert code is grpc.StatusCode.UNAVAILABLE


async def test_a_gateway_that_stops_reading_loses_its_stream_alone():
    """The slow one's socket fills up; the ring runs past it; the quick one has everything."""
    bench = Bench(capacity=50, write_timeout=timedelta(milliseconds=300))
    bench.servicer.begin(bench.ring)
    await bench.server.start()
    try:
        slow = await _open(bench.subscribe("slow"))
        quick = await _open(bench.subscribe("quick"))
        seen = []
        for _ in range(120):
            bench.publish(1, size=200_000)
            seen += [frame.offset for frame in await _read(quick, 1)]
        assert seen == list(range(1, 121))
        prefix = [frame.offset for frame in await _drain(slow)]
        assert prefix == list(range(1, len(prefix) + 1))
        assert len(prefix) < 120
        code, details = await _ending(slow)
        assert (code, details) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "push stream overflowed")
        bench.publish(1)
        assert [frame.offset for frame in await _read(quick, 1)] == [121]
    finally:
        for channel in bench.channels:
            await channel.close()
        await bench.server.stop(timedelta(seconds=1))
        bench.telemetry.close()


async def test_frames_are_counted_under_the_name_that_runbooks_quote(bench):
    """gateway-runbook-latest:104-106."""
    call = await _open(bench.subscribe(after=("gone", 1)))
    bench.publish(2)
    bench.ring.invalidate(Invalidation(InvalidationReason.EXPIRED, user_id="u"))
    await _read(call, 4)
    for kind, count in (("client_event", 2), ("session_invalidation", 1), ("resync", 1)):
        async with asyncio.timeout(5):
            while bench.counted("grpc_push_events_total", f'kind="{kind}"') < count:
                await asyncio.sleep(0.01)
