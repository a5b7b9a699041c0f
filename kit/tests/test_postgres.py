"""What the driver says, told in our words."""

from datetime import timedelta

import asyncpg
import pytest

from kit.postgres import Database, PoolSettings, PostgresUnavailable
from kit.testing import fresh_database

pytestmark = pytest.mark.stores


@pytest.fixture
async def impatient(postgres_admin_dsn: str):
    settings = PoolSettings(min_size=1, max_size=1, statement_timeout=timedelta(milliseconds=100))
    async with (
        fresh_database(postgres_admin_dsn) as dsn,
        Database.open(dsn, "test", settings) as database,
    ):
        yield database


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_sleep(5)",
        "DO $$ BEGIN RAISE deadlock_detected; END $$",
        "DO $$ BEGIN RAISE disk_full; END $$",
        "DO $$ BEGIN RAISE lock_not_available; END $$",
    ],
)
async def test_what_may_succeed_a_moment_later_is_an_absence_and_costs_no_connection(
    impatient: Database, statement: str
) -> None:
    async with impatient.connection() as connection:
        process = await connection.fetchval("SELECT pg_backend_pid()")
    with pytest.raises(PostgresUnavailable):
        async with impatient.transaction() as connection:
            await connection.execute(statement)
    async with impatient.connection() as connection:
        assert await connection.fetchval("SELECT pg_backend_pid()") == process


async def test_a_defect_stays_what_it_is(impatient: Database) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        async with impatient.transaction() as connection:
            await connection.execute("SELECT * FROM nowhere")
