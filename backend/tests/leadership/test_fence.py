"""Who may write: the epoch row decides, whatever a process believes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from backend.leadership.election import Election
from backend.leadership.errors import LeadershipLost
from backend.leadership.transactions import FencedDatabase, FencedTransactions
from kit.postgres import Database, PostgresUnavailable

pytestmark = pytest.mark.stores
POLL = timedelta(milliseconds=20)


@pytest.fixture
async def database(backend_dsn):
    async with Database.open(backend_dsn, "fence-test") as opened:
        yield opened


async def _win(dsn: str, holder: str) -> Election:
    election = Election(dsn, holder, POLL)
    async with asyncio.timeout(10):
        await election.win(on_standby=lambda: None)
    return election


async def test_only_one_of_two_wins_and_the_other_stands_by_until_the_first_is_gone(backend_dsn):
    first = await _win(backend_dsn, "first")
    second = Election(backend_dsn, "second", POLL)
    standing_by = asyncio.Event()
    winning = asyncio.ensure_future(second.win(on_standby=standing_by.set))
    async with asyncio.timeout(10):
        await standing_by.wait()
    assert not winning.done()
    await first.close()
    async with asyncio.timeout(10):
        assert await winning == first.epoch + 1
    await second.close()


async def test_a_waiting_standby_holds_no_snapshot(backend_dsn):
    first = await _win(backend_dsn, "first")
    second = Election(backend_dsn, "second", POLL)
    standing_by = asyncio.Event()
    winning = asyncio.ensure_future(second.win(on_standby=standing_by.set))
    async with asyncio.timeout(10):
        await standing_by.wait()
    watcher = await asyncpg.connect(backend_dsn)
    pinned = await watcher.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'backend-leadership'"
        " AND state <> 'idle' AND query_start < now() - interval '50 ms'"
    )
    await watcher.close()
    winning.cancel()
    await second.close()
    await first.close()
    assert pinned == 0


async def test_a_write_of_the_leader_commits_and_reads_cannot_write(backend_dsn, database):
    election = await _win(backend_dsn, "leader")
    transactions = FencedTransactions(database, election.epoch, election.lose)
    async with transactions.write() as connection:
        await connection.execute("UPDATE leader SET holder = 'written'")
    async with transactions.read() as connection:
        assert await connection.fetchval("SELECT holder FROM leader") == "written"
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("UPDATE leader SET holder = 'never'")
    await election.close()


async def test_a_leader_that_lost_its_lock_unknowingly_cannot_write_and_hears_of_it(backend_dsn, database):
    """The lock's connection dies (as after a stop of the process); another backend takes over; every late write fails."""
    stale = await _win(backend_dsn, "stale")
    transactions = FencedTransactions(database, stale.epoch, stale.lose)
    killer = await asyncpg.connect(backend_dsn)
    await killer.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'backend-leadership' AND datname = current_database()"
    )
    successor = await _win(backend_dsn, "successor")
    assert not stale.lost
    with pytest.raises(LeadershipLost):
        async with transactions.write() as connection:
            await connection.execute("UPDATE leader SET holder = 'stale write'")
    assert stale.lost
    with pytest.raises(LeadershipLost):
        async with FencedDatabase(database, transactions).transaction():
            pass
    assert await killer.fetchval("SELECT holder FROM leader") == "successor"
    await killer.close()
    await successor.close()
    await stale.close()


async def test_a_takeover_waits_for_a_write_in_flight(backend_dsn, database):
    stale = await _win(backend_dsn, "stale")
    transactions = FencedTransactions(database, stale.epoch, stale.lose)
    async with transactions.write() as connection:
        await stale.close()
        taking = asyncio.ensure_future(_win(backend_dsn, "successor"))
        watcher = await asyncpg.connect(backend_dsn)
        async with asyncio.timeout(10):
            while not await watcher.fetchval(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE wait_event_type = 'Lock' AND datname = current_database()"
            ):
                await asyncio.sleep(0.01)
        await watcher.close()
        assert not taking.done()
        await connection.execute("CREATE TABLE witness ()")
    async with asyncio.timeout(10):
        successor = await taking
    assert successor.epoch == stale.epoch + 1
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT to_regclass('witness')") is not None
    await successor.close()


async def test_the_keeper_takes_the_lock_again_after_its_connection_was_cut(backend_dsn):
    election = await _win(backend_dsn, "leader")
    keeping = asyncio.ensure_future(election.keep())
    watcher = await asyncpg.connect(backend_dsn)
    cut = (
        "SELECT pg_terminate_backend(pid), pid FROM pg_stat_activity"
        " WHERE application_name = 'backend-leadership' AND datname = current_database()"
    )
    cut_row = await watcher.fetchrow(cut)
    assert cut_row is not None
    old = cut_row["pid"]
    held = (
        "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE l.locktype = 'advisory' AND l.granted AND a.application_name = 'backend-leadership'"
        " AND a.datname = current_database() AND pid <> $1"
    )
    async with asyncio.timeout(10):
        while not await watcher.fetchval(held, old):
            await asyncio.sleep(0.01)
    assert not election.lost
    keeping.cancel()
    await asyncio.wait(
        {keeping}
    )  # it may be in the middle of a question on the connection that is closed next
    await watcher.close()
    await election.close()


async def test_the_keeper_hears_that_another_backend_took_over(backend_dsn):
    election = await _win(backend_dsn, "leader")
    watcher = await asyncpg.connect(backend_dsn)
    await watcher.execute("UPDATE leader SET epoch = epoch + 1, holder = 'other'")
    async with asyncio.timeout(10):
        await election.keep()
    assert election.lost
    await watcher.close()
    await election.close()


class LosesAnswers(Database):
    """Commits over a real pool and hears nothing of it."""

    def __init__(self, database: Database) -> None:
        self._real = database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """Commit, then say that Postgres is away."""
        async with self._real.transaction() as connection:
            yield connection
        raise PostgresUnavailable("the answer to COMMIT was lost")


async def test_a_commit_without_an_answer_is_of_unknown_outcome(backend_dsn, database):
    election = await _win(backend_dsn, "leader")
    transactions = FencedTransactions(LosesAnswers(database), election.epoch, election.lose)
    with pytest.raises(PostgresUnavailable):
        async with transactions.write() as connection:
            await connection.execute("UPDATE leader SET holder = 'written'")
    assert transactions.outcome_unknown.is_set()
    await election.close()


async def test_work_that_failed_before_its_commit_is_surely_undone(backend_dsn, database):
    election = await _win(backend_dsn, "leader")
    transactions = FencedTransactions(database, election.epoch, election.lose)
    with pytest.raises(PostgresUnavailable):
        async with transactions.write():
            raise PostgresUnavailable("before the commit")
    async with transactions.write():
        pass
    assert not transactions.outcome_unknown.is_set()
    await election.close()
