"""What the driver says, told in our words."""

import asyncio
import contextlib
import os
import signal
from datetime import timedelta

import asyncpg
import pytest

from kit.postgres import Database, PoolSettings, PostgresUnavailable
from kit.testing import fresh_database, with_database

pytestmark = pytest.mark.stores


SHORT = "SET LOCAL statement_timeout = 50"


@pytest.fixture
async def single(postgres_admin_dsn: str):
    """Give a database with one connection, so that it is met again."""
    settings = PoolSettings(min_size=1, max_size=1, statement_timeout=timedelta(seconds=77))
    async with (
        fresh_database(postgres_admin_dsn) as dsn,
        Database.open(dsn, "test", settings) as database,
    ):
        yield database


@pytest.mark.parametrize(
    "statement",
    [
        f"{SHORT}; SELECT pg_sleep(60)",
        "DO $$ BEGIN RAISE deadlock_detected; END $$",
        "DO $$ BEGIN RAISE disk_full; END $$",
        "DO $$ BEGIN RAISE lock_not_available; END $$",
    ],
)
async def test_what_may_succeed_a_moment_later_is_an_absence_and_costs_no_connection(
    single: Database, statement: str
) -> None:
    async with single.connection() as connection:
        process = await connection.fetchval("SELECT pg_backend_pid()")
    with pytest.raises(PostgresUnavailable):
        async with single.transaction() as connection:
            await connection.execute(statement)
    async with single.connection() as connection:
        assert await connection.fetchval("SELECT pg_backend_pid()") == process


async def test_a_column_that_a_newer_release_adds_is_an_absence_of_a_moment(
    single: Database, postgres_admin_dsn: str
) -> None:
    """A standby migrates while the active one works, and `SELECT *` is prepared for the columns there were."""

    async def whole_row() -> dict[str, object]:
        async with single.transaction() as connection:
            row = await connection.fetchrow("SELECT * FROM things FOR UPDATE")
        assert row is not None
        return dict(row)

    async with single.transaction() as connection:
        await connection.execute("CREATE TABLE things (id int); INSERT INTO things VALUES (1)")
        name = await connection.fetchval("SELECT current_database()")
    await whole_row()
    newer = await asyncpg.connect(with_database(postgres_admin_dsn, name))
    await newer.execute("ALTER TABLE things ADD COLUMN more jsonb")
    await newer.close()
    with pytest.raises(PostgresUnavailable):
        await whole_row()
    assert await whole_row() == {"id": 1, "more": None}


async def test_no_statement_takes_longer_than_the_pool_allows(single: Database) -> None:
    async with single.connection() as connection:
        assert await connection.fetchval(
            "SELECT current_setting('statement_timeout')::interval"
        ) == timedelta(seconds=77)


async def test_a_defect_stays_what_it_is(single: Database) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        async with single.transaction() as connection:
            await connection.execute("SELECT * FROM nowhere")


async def test_a_connection_goes_back_without_another_statement(
    single: Database, postgres_admin_dsn: str
) -> None:
    async with single.connection() as connection:
        process = await connection.fetchval("SELECT pg_backend_pid() -- the last word")
    watcher = await asyncpg.connect(postgres_admin_dsn)
    last = await watcher.fetchval("SELECT query FROM pg_stat_activity WHERE pid = $1", process)
    await watcher.close()
    assert last == "SELECT pg_backend_pid() -- the last word"


async def test_an_open_transaction_does_not_outlast_its_borrower(single: Database) -> None:
    reported: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["message"]))
    async with single.connection() as connection:
        await connection.execute("BEGIN")
    async with single.connection() as connection:
        assert not connection.is_in_transaction()
    assert len(reported) == 1, "and its author hears of it"


@pytest.mark.parametrize("fails", [False, True])
async def test_what_a_session_holds_ends_with_it(
    single: Database, postgres_admin_dsn: str, fails: bool
) -> None:
    async with single.connection() as connection:
        name = await connection.fetchval("SELECT current_database()")
    with contextlib.suppress(KeyError):
        async with single.session() as connection:
            await connection.execute(
                "SELECT pg_advisory_lock(7); LISTEN something; SET search_path = nowhere"
            )
            if fails:
                raise KeyError
    async with single.connection() as connection:
        assert await connection.fetchval("SHOW search_path") != "nowhere"
        assert await connection.fetch("SELECT * FROM pg_listening_channels()") == []
    other = await asyncpg.connect(with_database(postgres_admin_dsn, name))
    assert await other.fetchval("SELECT pg_try_advisory_lock(7)")
    await other.close()


async def test_a_session_that_cannot_be_wiped_ends_and_its_lock_with_it(
    single: Database, postgres_admin_dsn: str
) -> None:
    async def hold_and_be_ended() -> None:
        async with single.session() as connection:
            await connection.execute("SELECT pg_advisory_lock(7)")
            process = await connection.fetchval("SELECT pg_backend_pid()")
            killer = await asyncpg.connect(postgres_admin_dsn)
            await killer.execute("SELECT pg_terminate_backend($1, 5000)", process)
            await killer.close()

    with pytest.raises(PostgresUnavailable):
        await hold_and_be_ended()
    async with single.connection() as connection:
        assert await connection.fetchval("SELECT pg_try_advisory_lock(7)")


async def test_a_session_whose_end_gets_no_answer_is_an_absence(postgres_admin_dsn: str) -> None:
    settings = PoolSettings(min_size=1, max_size=1, acquire_timeout=timedelta(milliseconds=500))
    process = 0

    async def hold_while_the_server_freezes(database: Database) -> None:
        nonlocal process
        async with database.session() as connection:
            process = await connection.fetchval("SELECT pg_backend_pid()")
            os.kill(process, signal.SIGSTOP)

    async with (
        fresh_database(postgres_admin_dsn) as dsn,
        Database.open(dsn, "test", settings) as database,
    ):
        try:
            with pytest.raises(PostgresUnavailable):
                await hold_while_the_server_freezes(database)
        finally:
            os.kill(process, signal.SIGCONT)
