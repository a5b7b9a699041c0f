"""When the caches are read again: after a commit is decided, never before."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from backend.leadership.transactions import FencedTransactions, Outcomes
from backend.term.reload import CacheReloader
from kit.postgres import Database, PostgresUnavailable
from kit.tasks import Workers
from kit.testing import eventually

pytestmark = pytest.mark.stores
_PATIENCE_SECONDS = 10
_SLOW_COMMITS = """
    CREATE TABLE witness ();
    CREATE FUNCTION wait_for_the_test() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON witness DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION wait_for_the_test();
"""
_COMMITTING = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class WatchedTransactions(FencedTransactions):
    """Notes what Postgres said of unknown outcomes."""

    def __init__(self, database: Database, epoch: int) -> None:
        super().__init__(database, epoch, lambda: None)
        self.heard = asyncio.Queue[Outcomes]()

    async def settle(self) -> Outcomes:
        outcomes = await super().settle()
        self.heard.put_nowait(outcomes)
        return outcomes


@pytest.fixture
async def watcher(backend_dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Give the test's own eye and hand in the database: while it holds the lock, no commit of a witness ends."""
    connection = await asyncpg.connect(backend_dsn)
    await connection.execute(_SLOW_COMMITS)
    await connection.execute("SELECT pg_advisory_lock(4711)")
    yield connection
    await connection.close()


@pytest.fixture
async def transactions(backend_dsn: str) -> AsyncIterator[WatchedTransactions]:
    async with Database.open(backend_dsn, "reload-test") as database:
        async with database.connection() as connection:
            epoch = await connection.fetchval("SELECT epoch FROM leader")
        yield WatchedTransactions(database, epoch)


@asynccontextmanager
async def reloading(transactions: FencedTransactions) -> AsyncIterator["asyncio.Queue[int]"]:
    """Run the reloader; give what each of its readings found."""
    readings = asyncio.Queue[int]()

    async def reload() -> None:
        async with transactions.read() as connection:
            readings.put_nowait(await connection.fetchval("SELECT count(*) FROM witness"))

    workers = Workers([CacheReloader(transactions, [reload], timedelta(milliseconds=10))])
    async with workers.running():
        await workers.all_started()
        yield readings


async def cut_while_committing(transactions: FencedTransactions, watcher: asyncpg.Connection) -> None:
    """Break our side of a connection on which Postgres is in the middle of a commit."""
    opened = asyncio.Queue[asyncpg.Connection]()

    async def write() -> None:
        async with transactions.write() as connection:
            await connection.execute("INSERT INTO witness DEFAULT VALUES")
            opened.put_nowait(connection)  # type: ignore[arg-type]

    writing = asyncio.create_task(write())
    connection = await opened.get()

    async def committing() -> bool:
        return bool(await watcher.fetchval(_COMMITTING))

    await eventually(committing)
    connection.terminate()
    with pytest.raises(PostgresUnavailable):
        await writing


async def test_a_cut_connection_leaves_postgres_committing_and_the_caches_wait_for_it(transactions, watcher):
    """What is read while the commit is under way is the state before it, and nobody would ever read again."""
    async with reloading(transactions) as readings:
        await cut_while_committing(transactions, watcher)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            for _ in range(2):  # the second question comes after whatever the first one led to
                assert await transactions.heard.get() == Outcomes(over=0, under_way=1)
            assert readings.empty()
            await watcher.execute("SELECT pg_advisory_unlock(4711)")
            assert await readings.get() == 1
        assert not transactions.outcome_unknown.is_set()


async def test_a_commit_that_never_ends_holds_up_no_other(transactions, watcher):
    await cut_while_committing(transactions, watcher)
    async with reloading(transactions) as readings:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            assert await transactions.heard.get() == Outcomes(over=0, under_way=1)
        async with transactions.write() as connection:
            committed = await connection.fetchval("SELECT pg_current_xact_id()::text")
        transactions._unknown.add(committed)  # as if its answer had been lost
        transactions.outcome_unknown.set()
        async with asyncio.timeout(_PATIENCE_SECONDS):
            assert await readings.get() == 0
        await watcher.execute("SELECT pg_advisory_unlock(4711)")
        async with asyncio.timeout(_PATIENCE_SECONDS):
            assert await readings.get() == 1


async def test_a_transaction_that_another_server_would_not_know_counts_as_over(transactions):
    transactions._unknown.add("9000000000000000000")
    assert await transactions.settle() == Outcomes(over=1, under_way=0)
    assert await transactions.settle() == Outcomes(over=0, under_way=0)
