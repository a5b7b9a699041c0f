"""The reader on a real stream: nothing lost in silence, nothing blocked by a bad entry."""

import asyncio
import contextlib
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.postgres import Database, PostgresUnavailable
from kit.streams import Entry, OffsetMoved, ReadCounts
from kit.testing import eventually
from kit.tests.streams.conftest import TABLES, Bench, DependencyAway, Keeper

pytestmark = pytest.mark.stores


async def test_entries_are_handled_in_order_and_their_offset_commits_with_them(bench: Bench):
    await bench.add(*range(25))
    reader = bench.reader()
    assert [await reader.run_once() for _ in range(4)] == [
        ReadCounts(handled=10),
        ReadCounts(handled=10),
        ReadCounts(handled=5),
        ReadCounts(),
    ]
    assert set(await bench.kept()) == set(range(25))
    assert bench.keeper.committed_batches == [10, 10, 5]
    offset = await bench.offset()
    assert (offset["epoch"], offset["accounted"], offset["lost"]) == (1, 25, 0)
    assert await bench.redis.get(f"{bench.stream}:mirror") == offset["last_id"].encode()


async def test_another_reader_goes_on_where_the_first_one_stopped(bench: Bench):
    await bench.add(*range(10))
    await bench.reader().run_once()
    await bench.add(*range(10, 15))
    assert await bench.reader().run_once() == ReadCounts(handled=5)
    assert set((await bench.kept()).values()) == {1}


async def test_a_bad_entry_is_kept_and_the_rest_of_its_batch_goes_through(bench: Bench):
    await bench.add(1, "bad", 2, 666, 3)
    assert await bench.reader().run_once() == ReadCounts(handled=3, malformed=2)
    assert set(await bench.kept()) == {1, 2, 3}
    kept = await bench.malformed()
    assert [row["reason"] for row in kept] == ["n: no number", "DivisionByZeroError"]
    assert kept[0]["raw"] == b"\x00\x00\x00\x01n\x00\x00\x00\x03bad"
    assert (await bench.offset())["accounted"] == 5


async def test_a_dependency_that_is_away_holds_the_offset(bench: Bench):
    await bench.add(1)
    bench.keeper.away = True
    reader = bench.reader()
    with pytest.raises(DependencyAway):
        await reader.run_once()
    assert await bench.offset() == {}
    assert reader.oldest_unread_age_ms() >= 0
    bench.keeper.away = False
    assert await reader.run_once() == ReadCounts(handled=1)
    assert reader.oldest_unread_age_ms() == 0


async def test_entries_trimmed_past_the_reader_are_counted_and_alarmed(bench: Bench):
    await bench.add(*range(5))
    reader = bench.reader()
    await reader.run_once()
    await bench.add(*range(5, 50))
    await bench.redis.xtrim(bench.stream, maxlen=10, approximate=False)
    assert await reader.run_once() == ReadCounts(lost=35)
    assert await reader.run_once() == ReadCounts(handled=10)
    assert bench.lost == [35]
    assert (await bench.offset())["lost"] == 35
    assert set(await bench.kept()) == {*range(5), *range(40, 50)}


async def test_a_trim_of_what_was_read_is_no_loss(bench: Bench):
    await bench.add(*range(10))
    reader = bench.reader()
    await reader.run_once()
    await bench.redis.xtrim(bench.stream, maxlen=0, approximate=False)
    await bench.add(10)
    assert await reader.run_once() == ReadCounts(handled=1)
    assert bench.lost == []


async def test_a_flush_is_noticed_counted_and_survived(bench: Bench):
    await bench.add(*range(10))
    reader = bench.reader()
    await reader.run_once()
    await bench.add(10, 11, 12)
    bench.keeper.away = True
    with pytest.raises(DependencyAway):
        await reader.run_once()
    bench.keeper.away = False
    await bench.redis.delete(bench.stream)
    await bench.add(20)
    assert await reader.run_once() == ReadCounts(lost=3)
    assert await reader.run_once() == ReadCounts(handled=1)
    assert bench.lost == [3]
    assert (await bench.offset())["epoch"] == 2
    assert 20 in await bench.kept()


async def test_a_stream_flushed_while_its_clock_runs_behind_is_read_from_its_start(bench: Bench):
    await bench.redis.xadd(bench.stream, {"n": "1"}, id="99999999999999-0")
    reader = bench.reader()
    await reader.run_once()
    await bench.redis.delete(bench.stream)
    await bench.add(2)
    await reader.run_once()
    assert await reader.run_once() == ReadCounts(handled=1)
    assert set(await bench.kept()) == {1, 2}


async def test_an_absent_stream_is_told_once_and_then_waited_for(bench: Bench):
    await bench.add(1)
    reader = bench.reader()
    await reader.run_once()
    await bench.redis.delete(bench.stream)
    for _ in range(3):
        await reader.run_once()
    assert (await bench.offset())["epoch"] == 2
    await bench.add(2)
    assert await reader.run_once() == ReadCounts(handled=1)


async def test_of_two_readers_that_both_believe_to_lead_one_commits(bench: Bench):
    await bench.add(*range(10))
    both_have_read = asyncio.Barrier(2)

    class Waiting(Keeper):
        async def prepare(self, entries: Sequence[Entry]) -> list[int]:
            await both_have_read.wait()
            return await super().prepare(entries)

    readers = [bench.reader(Waiting()) for _ in range(2)]
    results = await asyncio.gather(*(reader.run_once() for reader in readers), return_exceptions=True)
    assert ReadCounts(handled=10) in results
    assert any(isinstance(result, OffsetMoved) for result in results)
    assert set((await bench.kept()).values()) == {1}


async def test_one_replica_reads_and_the_other_takes_over(bench: Bench):
    other = Keeper()
    tasks = [
        asyncio.ensure_future(bench.reader(keeper).run(lambda: None)) for keeper in (bench.keeper, other)
    ]
    await bench.add(*range(10))

    async def handled(count: int) -> bool:
        return len(await bench.kept()) == count

    await eventually(lambda: handled(10))
    leads = 0 if bench.keeper.committed_batches else 1
    assert not (bench.keeper, other)[1 - leads].committed_batches, "a standby reads nothing"
    tasks[leads].cancel()
    await bench.add(*range(10, 20))
    await eventually(lambda: handled(20))
    tasks[1 - leads].cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert set((await bench.kept()).values()) == {1}


async def test_what_was_handled_long_ago_is_trimmed_and_what_was_not_never(bench: Bench):
    for n in range(300):
        await bench.redis.xadd(bench.stream, {"n": str(n)}, id=f"{n + 1}-1")
    reader = bench.reader()
    await reader.run_once()
    left = await bench.redis.xlen(bench.stream)
    assert 290 <= left <= 300, "whole nodes of handled entries may go, unhandled entries may not"
    while (await reader.run_once()).handled:
        pass
    assert len(await bench.kept()) == 300


async def test_an_entry_that_is_no_stream_holds_the_reader(bench: Bench):
    await bench.redis.set(bench.stream, "not a stream")
    with pytest.raises(Exception, match="WRONGTYPE"):
        await bench.reader().run_once()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    plan=st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(1, 12)),
            st.tuples(st.just("pass"), st.just(0)),
            st.tuples(st.just("crash"), st.just(0)),
            st.tuples(st.just("twice"), st.just(0)),
        ),
        max_size=14,
    )
)
async def test_a_crash_anywhere_neither_loses_nor_repeats_an_entry(bench: Bench, plan: list[tuple[str, int]]):
    async with bench.database.transaction() as connection:
        await connection.execute("DROP TABLE stream_offsets, kept, malformed")
        await connection.execute(TABLES)
    await bench.redis.delete(bench.stream)
    added, reader = 0, bench.reader()
    for action, count in plan:
        match action:
            case "add":
                await bench.add(*range(added, added + count))
                added += count
            case "pass":
                await reader.run_once()
            case "crash":
                await _crash(bench, reader)
                reader = bench.reader()
            case _:
                await asyncio.gather(bench.reader().run_once(), reader.run_once(), return_exceptions=True)
    while (await bench.reader().run_once()).handled:
        pass
    assert await bench.kept() == dict.fromkeys(range(added), 1)
    assert bench.lost == []


async def _crash(bench: Bench, reader: object) -> None:
    """Let a pass die with the server's side of its connection, between its last statement and the commit."""

    def die() -> None:
        raise PostgresUnavailable("killed between the last statement and the commit")

    dying = Keeper(before_commit=die)
    with contextlib.suppress(PostgresUnavailable):
        await bench.reader(dying).run_once()


async def test_a_reader_outlives_the_loss_of_its_connections(bench: Bench, postgres_admin_dsn: str):
    task = asyncio.ensure_future(bench.reader().run(lambda: None))
    await bench.add(1)

    async def handled(count: int) -> bool:
        return len(await bench.kept()) == count

    await eventually(lambda: handled(1))
    async with Database.open(postgres_admin_dsn, "killer") as killer, killer.connection() as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'streams-test'"
        )
    await bench.add(2)

    async def second() -> bool:
        try:
            return await handled(2)
        except PostgresUnavailable:
            return False

    await eventually(second)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert await bench.kept() == {1: 1, 2: 1}
