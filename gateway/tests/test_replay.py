"""Freshness and replay, over a real Redis."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracer
from redis.asyncio import Redis

from gateway.pipeline.model import Passage, SignedRequest
from gateway.replay.errors import (
    ReplayedRequest,
    ReplayStoreRebuilding,
    ReplayStoreUnavailable,
    StaleTimestamp,
)
from gateway.replay.service import ReplayStage
from gateway.replay.storage import RedisReservations
from gateway.sessions.model import Session, SessionStatus
from gateway.tests.test_envelope import request
from kit.clock import unix_ms
from kit.redis_pool import RedisSettings, open_redis, redis_client
from kit.testing import ManualClock

pytestmark = pytest.mark.stores
WINDOW = timedelta(seconds=60)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def redis(redis_settings: RedisSettings) -> AsyncIterator[Redis]:
    async with open_redis(redis_settings) as client:
        yield client


class Counter:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def losses() -> Counter:
    return Counter()


@pytest.fixture
def stage(redis: Redis, redis_settings: RedisSettings, clock: ManualClock, losses: Counter) -> ReplayStage:
    return ReplayStage(
        RedisReservations(redis, redis_settings, NoOpTracer(), lambda *_: None), WINDOW, clock, losses
    )


def passage(clock: ManualClock, session_age: timedelta = timedelta(), **changes: object) -> Passage:
    changes.setdefault("timestamp_ms", unix_ms(clock.now()))
    signed: SignedRequest = request(**changes)
    session = Session(
        signed.device_session_id, "u1", SessionStatus.ACTIVE, bytes(32), clock.now() - session_age
    )
    return Passage(signed, "", looked_up=session)


async def lose_everything(redis: Redis, settings: RedisSettings) -> None:
    """Flush, as far as this test may: every key under its own prefix."""
    keys = [key async for key in redis.scan_iter(match=settings.key("*"))]
    if keys:
        await redis.delete(*keys)


async def test_the_same_request_passes_once(stage: ReplayStage, clock: ManualClock):
    """gateway-runtime:17."""
    await stage.prepare()
    once = passage(clock)
    await stage.check(once)
    with pytest.raises(ReplayedRequest):
        await stage.check(once)


async def test_ids_belong_to_sessions(stage: ReplayStage, clock: ManualClock):
    await stage.prepare()
    first, second = passage(clock), passage(clock)
    assert first.request.request_id == second.request.request_id
    await stage.check(first)
    await stage.check(second)


@pytest.mark.parametrize("off", [-60_000, 0, 60_000])
async def test_within_the_window_a_timestamp_is_fresh(stage: ReplayStage, clock: ManualClock, off: int):
    await stage.prepare()
    await stage.check(passage(clock, timestamp_ms=unix_ms(clock.now()) + off))


@pytest.mark.parametrize("off", [-60_001, 60_001])
async def test_outside_the_window_it_is_stale_and_reserves_nothing(
    stage: ReplayStage, clock: ManualClock, redis: Redis, redis_settings: RedisSettings, off: int
):
    await stage.prepare()
    with pytest.raises(StaleTimestamp):
        await stage.check(passage(clock, timestamp_ms=unix_ms(clock.now()) + off))
    keys = [key async for key in redis.scan_iter(match=redis_settings.key("*"))]
    assert len(keys) == 1  # the marker


async def test_a_reservation_outlives_the_freshness_of_its_request(
    stage: ReplayStage, clock: ManualClock, redis: Redis, redis_settings: RedisSettings
):
    await stage.prepare()
    once = passage(clock)
    await stage.check(once)
    signed = once.request
    key = redis_settings.key(f"gateway:replay:{signed.device_session_id}:{signed.request_id}")
    assert 2 * 60_000 < await redis.pttl(key) <= 2 * 60_000 + 1000


async def test_a_fresh_installation_refuses_nobody(stage: ReplayStage, clock: ManualClock, losses: Counter):
    await stage.prepare()
    clock.advance(timedelta(milliseconds=5))
    await stage.check(passage(clock))
    assert losses.count == 0


async def test_a_flushed_store_lets_nothing_through_twice(
    stage: ReplayStage, clock: ManualClock, redis: Redis, redis_settings: RedisSettings, losses: Counter
):
    await stage.prepare()
    clock.advance(timedelta(hours=1))
    captured = passage(clock, session_age=timedelta(minutes=5))
    await stage.check(captured)
    await lose_everything(redis, redis_settings)
    clock.advance(timedelta(seconds=1))
    with pytest.raises(ReplayStoreRebuilding) as refusal:
        await stage.check(captured)
    assert losses.count == 1
    assert refusal.value.details["retry_after_ms"] == 61_001
    # A new session cannot have sent anything before the loss.
    await stage.check(passage(clock))


async def test_one_window_after_a_loss_older_sessions_pass_again(
    stage: ReplayStage, clock: ManualClock, redis: Redis, redis_settings: RedisSettings
):
    await stage.prepare()
    clock.advance(timedelta(hours=1))
    await lose_everything(redis, redis_settings)
    with pytest.raises(ReplayStoreRebuilding):
        await stage.check(passage(clock, session_age=timedelta(minutes=5)))
    clock.advance(WINDOW)
    with pytest.raises(ReplayStoreRebuilding):
        await stage.check(passage(clock, session_age=timedelta(minutes=5)))
    clock.advance(timedelta(milliseconds=1))
    await stage.check(passage(clock, session_age=timedelta(minutes=5)))


async def test_a_request_dated_ahead_before_the_loss_cannot_be_replayed_later(
    stage: ReplayStage, clock: ManualClock, redis: Redis, redis_settings: RedisSettings
):
    """A clock that is a window ahead makes a request that stays fresh for two windows."""
    await stage.prepare()
    clock.advance(timedelta(hours=1))
    captured = passage(clock, session_age=timedelta(minutes=5), timestamp_ms=unix_ms(clock.now()) + 60_000)
    await stage.check(captured)
    await lose_everything(redis, redis_settings)
    for _ in range(24):  # every five seconds until it is stale
        with pytest.raises((ReplayStoreRebuilding, ReplayedRequest)):
            await stage.check(captured)
        clock.advance(timedelta(seconds=5))
    clock.advance(timedelta(milliseconds=1))
    with pytest.raises(StaleTimestamp):
        await stage.check(captured)


async def test_without_redis_nothing_passes(redis_settings: RedisSettings, clock: ManualClock):
    nowhere = redis_client(redis_settings.model_copy(update={"master_addr": "127.0.0.1:1"}))
    stage = ReplayStage(
        RedisReservations(nowhere, redis_settings, NoOpTracer(), lambda *_: None), WINDOW, clock, lambda: None
    )
    with pytest.raises(ReplayStoreUnavailable):
        await stage.check(passage(clock))
    await nowhere.aclose()


async def test_a_store_that_answers_nonsense_lets_nothing_pass(
    stage: ReplayStage, clock: ManualClock, redis: Redis, redis_settings: RedisSettings
):
    await redis.set(redis_settings.key("gateway:replay:marker"), "not a number")
    with pytest.raises(ReplayStoreUnavailable):
        await stage.check(passage(clock))
    await redis.delete(redis_settings.key("gateway:replay:marker"))
    await redis.lpush(redis_settings.key("gateway:replay:marker"), "a list")
    with pytest.raises(ReplayStoreUnavailable):
        await stage.check(passage(clock))


async def test_each_operation_is_traced_and_timed(redis: Redis, redis_settings: RedisSettings):
    """gateway-runbook-latest:32-33 the Redis client is watched by traces and metrics."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    timed: list[str] = []
    store = RedisReservations(
        redis, redis_settings, provider.get_tracer("test"), lambda operation, _: timed.append(operation)
    )
    assert (await store.mark(1)).marker_written
    assert (await store.reserve("s", "r", 1000, 2)).first
    assert [span.name for span in exporter.get_finished_spans()] == [
        "redis.replay.mark",
        "redis.replay.reserve",
    ]
    assert timed == ["mark", "reserve"]


async def test_a_crowd_waits_for_its_turn_and_is_not_refused(stage: ReplayStage, clock: ManualClock):
    await stage.prepare()
    crowd = [passage(clock) for _ in range(300)]
    await asyncio.gather(*(stage.check(one) for one in crowd))
    again = await asyncio.gather(*(stage.check(one) for one in crowd), return_exceptions=True)
    assert {type(answer) for answer in again} == {ReplayedRequest}
