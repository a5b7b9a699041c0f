"""The stores die or hang while entries are on their way: nothing is lost, and each extra copy is on record."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from backend.app import MIGRATIONS, SCHEMA
from backend.outbox.model import LaneName
from backend.tests.outbox.conftest import Bench, opened
from deploy.embedded.testing import BreakablePostgres, BreakableValkey
from kit.migrate import migrate
from kit.outbox import OutboxWorker, TransportAway
from kit.postgres import PostgresUnavailable
from kit.testing import AnswerHolder, eventually, with_schema

pytestmark = [pytest.mark.stores, pytest.mark.timeout(180)]
LANES = tuple(LaneName)
DELIVERED = [("delivered", None)]
LONG = timedelta(seconds=20)
SHORT = timedelta(milliseconds=500)


@pytest.fixture
async def bench(
    breakable_postgres: BreakablePostgres, breakable_valkey: BreakableValkey
) -> AsyncIterator[Bench]:
    """Give a bench whose stores a test may break."""
    dsn = with_schema(breakable_postgres.admin_dsn, SCHEMA)
    await migrate(dsn, SCHEMA, MIGRATIONS)
    async with opened(dsn, breakable_valkey.url) as made:
        yield made


@asynccontextmanager
async def running(workers: Sequence[OutboxWorker]) -> AsyncIterator[None]:
    """Run workers as a process does; one that ended by itself fails the test."""
    tasks = [asyncio.ensure_future(worker.run(lambda: None)) for worker in workers]
    try:
        yield
        assert not any(task.done() for task in tasks), "no worker may end by itself"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def all_published(bench: Bench, keys: set[str], *, hurry: bool = False) -> None:
    """Wait until exactly these are marked in each lane, Postgres coming and going; `hurry` passes the ladder's waits."""

    async def done() -> bool:
        with contextlib.suppress(PostgresUnavailable):
            if hurry:
                await bench.make_due()
            return await _unpublished(bench, keys) == 0
        return False

    await eventually(done, timeout=60)


async def _unpublished(bench: Bench, keys: set[str]) -> int:
    async with bench.database.connection() as connection:
        rows = await connection.fetch("SELECT lane, idempotency_key FROM outbox WHERE state = 'published'")
    return len({(name.value, key) for name in LANES for key in keys} ^ {tuple(row) for row in rows})


async def in_streams(bench: Bench, keys: set[str], names: Sequence[LaneName] = LANES) -> None:
    """Wait until Redis has taken these."""

    async def taken() -> bool:
        return all([set(await bench.sent(name)) >= keys for name in names])

    await eventually(taken)


async def statements_hang(admin_dsn: str, count: int) -> None:
    """Wait until so many of the workers' statements wait for a lock in the server: they are in flight."""
    watcher = await asyncpg.connect(admin_dsn)

    async def waiting() -> bool:
        found: int = await watcher.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'outbox-test' AND wait_event_type = 'Lock'"
        )
        return found == count

    try:
        await eventually(waiting)
    finally:
        await watcher.close()


async def each_was_delivered_once(bench: Bench, keys: set[str]) -> None:
    for name in LANES:
        assert await bench.sent(name) == Counter(dict.fromkeys(keys, 1))
        assert await bench.history(name) == dict.fromkeys(keys, DELIVERED)


async def extra_copies_are_on_record(bench: Bench, keys: set[str]) -> None:
    """Nothing is lost, the record tells of one delivery each, and each extra copy is an unknown attempt."""
    for name in LANES:
        sent, history = await bench.sent(name), await bench.history(name)
        assert set(sent) == set(history) == keys
        for key, attempts in history.items():
            outcomes = Counter(outcome for outcome, _ in attempts)
            assert outcomes["delivered"] == 1
            assert set(outcomes) <= {"delivered", "unknown"}
            assert sent[key] <= 1 + outcomes["unknown"], attempts


async def test_a_postgres_restart_during_the_claim_loses_and_repeats_none(
    bench: Bench, breakable_postgres: BreakablePostgres
):
    keys = await bench.add_to_both(20)
    locker = await asyncpg.connect(breakable_postgres.admin_dsn)
    await locker.execute(f"BEGIN; LOCK TABLE {SCHEMA}.outbox IN ACCESS EXCLUSIVE MODE")
    async with running([bench.worker(name) for name in LANES]):
        await statements_hang(breakable_postgres.admin_dsn, len(LANES))
        await breakable_postgres.crash()
        await breakable_postgres.come_back()
        await all_published(bench, keys)
    await each_was_delivered_once(bench, keys)


async def test_a_postgres_restart_while_redis_takes_the_entries_loses_and_repeats_none(
    bench: Bench, breakable_postgres: BreakablePostgres, breakable_valkey: BreakableValkey
):
    keys = await bench.add_to_both(20)
    async with (
        AnswerHolder(breakable_valkey.url).serving() as wire,
        bench.redis_at(wire.url, LONG) as redis,
    ):
        wire.hold_answers_to(b"XADD")
        async with running([bench.worker(name, redis) for name in LANES]):
            await in_streams(bench, keys)
            await breakable_postgres.crash()
            wire.let_go()
            await breakable_postgres.come_back()
            await all_published(bench, keys)
    await each_was_delivered_once(bench, keys)


async def test_a_postgres_restart_during_the_mark_loses_and_repeats_none(
    bench: Bench, breakable_postgres: BreakablePostgres, breakable_valkey: BreakableValkey
):
    keys = await bench.add_to_both(20)
    async with (
        AnswerHolder(breakable_valkey.url).serving() as wire,
        bench.redis_at(wire.url, LONG) as redis,
    ):
        wire.hold_answers_to(b"XADD")
        async with running([bench.worker(name, redis) for name in LANES]):
            await in_streams(bench, keys)
            locker = await asyncpg.connect(breakable_postgres.admin_dsn)
            await locker.execute(f"BEGIN; LOCK TABLE {SCHEMA}.outbox IN SHARE MODE")
            wire.let_go()
            await statements_hang(breakable_postgres.admin_dsn, len(LANES))
            await breakable_postgres.crash()
            await breakable_postgres.come_back()
            await all_published(bench, keys)
    await each_was_delivered_once(bench, keys)


@pytest.mark.parametrize("name", LANES)
async def test_an_outage_longer_than_the_lease_repeats_once_what_was_in_flight_and_nothing_else(
    bench: Bench, breakable_postgres: BreakablePostgres, breakable_valkey: BreakableValkey, name: LaneName
):
    in_flight = await bench.add_to_both(15)
    async with (
        AnswerHolder(breakable_valkey.url).serving() as wire,
        bench.redis_at(wire.url, LONG) as redis,
    ):
        wire.hold_answers_to(b"XADD")
        dying = asyncio.ensure_future(bench.worker(name, redis, lease=timedelta(seconds=1)).run_once())
        await in_streams(bench, in_flight, [name])
        await breakable_postgres.crash()
        wire.let_go()
        with pytest.raises(PostgresUnavailable):
            await dying  # after trying to mark for as long as its lease lasts
        await breakable_postgres.come_back()
    later = await bench.add_to_both(5)
    async with running([bench.worker(lane_name) for lane_name in LANES]):
        await all_published(bench, in_flight | later)
    assert await bench.sent(name) == Counter(dict.fromkeys(in_flight, 2) | dict.fromkeys(later, 1))
    repeated = [("unknown", "lease_expired"), *DELIVERED]
    assert await bench.history(name) == dict.fromkeys(in_flight, repeated) | dict.fromkeys(later, DELIVERED)


async def test_restarts_of_postgres_under_load_lose_nothing_and_repeat_only_what_is_on_record(
    bench: Bench, breakable_postgres: BreakablePostgres
):
    keys: set[str] = set()
    interrupted = 0
    async with running([bench.worker(name, lease=timedelta(seconds=2)) for name in LANES]):
        for round_no in range(6):
            begun = len(keys)
            keys |= await bench.add_to_both(400)
            await _stream_passes(bench, begun + 100 * (round_no % 3))
            await breakable_postgres.crash()
            interrupted += len(keys) - len(await bench.sent())
            await breakable_postgres.come_back()
            await all_published(bench, keys)
    assert interrupted, "no crash found anything in flight"
    await extra_copies_are_on_record(bench, keys)


async def test_kills_of_redis_under_load_lose_nothing_and_repeat_only_what_is_on_record(
    bench: Bench, breakable_valkey: BreakableValkey
):
    keys: set[str] = set()
    interrupted = 0
    async with running([bench.worker(name) for name in LANES]):
        for round_no in range(6):
            begun = len(keys)
            keys |= await bench.add_to_both(400)
            await _stream_passes(bench, begun + 100 * (round_no % 3))
            await breakable_valkey.crash()
            interrupted += await _unpublished(bench, keys)
            await breakable_valkey.come_back()
            await all_published(bench, keys, hurry=True)
    assert interrupted, "no kill found anything in flight"
    await extra_copies_are_on_record(bench, keys)


async def _stream_passes(bench: Bench, length: int) -> None:
    key = bench.redis_settings.key("notification:intents")

    async def longer() -> bool:
        return int(await bench.redis.xlen(key)) > length

    await eventually(longer, interval=0)


async def test_an_answer_that_never_came_stays_on_record_and_a_hanging_redis_adds_nothing_to_it(
    bench: Bench, breakable_valkey: BreakableValkey
):
    keys = await bench.add_to_both(7)
    unknown = [("unknown", "redis_answer_lost")]
    async with (
        AnswerHolder(breakable_valkey.url).serving() as wire,
        bench.redis_at(wire.url, SHORT) as redis,
    ):
        for name in LANES:
            worker = bench.worker(name, redis)
            wire.hold_answers_to(b"XADD")
            unanswered = asyncio.ensure_future(worker.run_once())
            await in_streams(bench, keys, [name])
            breakable_valkey.pause()
            assert (await unanswered).retried == len(keys)
            assert await bench.history(name) == dict.fromkeys(keys, unknown)
            wire.let_go()
            await bench.make_due()
            for _ in range(2):
                with pytest.raises(TransportAway):
                    await worker.run_once()
            assert await bench.history(name) == dict.fromkeys(keys, unknown), (
                "what hangs beforehand is no attempt"
            )
            breakable_valkey.resume()
            assert (await worker.run_once()).delivered == len(keys)
            assert await bench.sent(name) == Counter(dict.fromkeys(keys, 2))
            assert await bench.history(name) == dict.fromkeys(keys, unknown + DELIVERED)


async def test_answers_that_never_come_are_repeated_up_to_the_limit_and_no_further(
    bench: Bench, breakable_valkey: BreakableValkey
):
    await bench.add("k")
    async with (
        AnswerHolder(breakable_valkey.url).serving() as wire,
        bench.redis_at(wire.url, SHORT) as redis,
    ):
        worker = bench.worker(redis=redis, max_attempts=2)
        wire.hold_answers_to(b"XADD")
        assert (await worker.run_once()).retried == 1
        wire.let_go()
        await bench.make_due()
        wire.hold_answers_to(b"XADD")
        assert (await worker.run_once()).dead == 1
        wire.let_go()
        await bench.make_due()
        assert (await worker.run_once()).claimed == 0
    assert await bench.history() == {"k": [("unknown", "redis_answer_lost")] * 2}
    assert await bench.row("state", idempotency_key="k") == "dead_lettered"
    assert await bench.sent() == Counter({"k": 2})
