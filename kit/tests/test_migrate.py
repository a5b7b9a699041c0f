"""Migrations: replicas take turns, a newer schema stops an older release, a broken step leaves nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from kit.migrate import SchemaTooNew, migrate, revisions
from kit.postgres import Database, PostgresUnavailable, in_schema
from kit.testing import fresh_database

REVISION = '''"""A step."""
from kit.migrate import run_sql_beside
revision = "{number}"
down_revision = {before}
def upgrade() -> None:
    """Run the SQL beside this file."""
    run_sql_beside(__file__)
'''


def add(folder: Path, number: int, sql: str) -> None:
    """Write one pair of files."""
    stem = f"{number:05d}_step"
    before = repr(f"{number - 1:05d}") if number > 1 else None
    (folder / f"{stem}.sql").write_text(sql)
    (folder / f"{stem}.py").write_text(REVISION.format(number=f"{number:05d}", before=before))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    add(tmp_path, 1, "CREATE TABLE letters (id int PRIMARY KEY, note text DEFAULT ':not_a_bind');")
    return tmp_path


@pytest.fixture
async def dsn(postgres_admin_dsn: str) -> AsyncIterator[str]:
    async with fresh_database(postgres_admin_dsn) as fresh:
        yield in_schema(fresh, "post")


async def ask(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@pytest.mark.stores
async def test_a_schema_is_made_and_brought_forward(folder: Path, dsn: str):
    """backend-runbook:70-71, backend-runbook:72-75."""
    assert await migrate(dsn, "post", folder) == "00001"
    add(folder, 2, "ALTER TABLE letters ADD COLUMN stamp text;")
    assert await migrate(dsn, "post", folder) == "00002"
    assert await migrate(dsn, "post", folder) == "00002"
    assert await ask(dsn, "SELECT version_num FROM post.alembic_version") == "00002"
    await ask(dsn, "INSERT INTO post.letters (id, stamp) VALUES (1, 'x')")


@pytest.mark.stores
async def test_replicas_that_start_together_take_turns(folder: Path, dsn: str):
    add(folder, 2, "SELECT pg_sleep(0.2); CREATE TABLE stamps (id int);")
    assert await asyncio.gather(*(migrate(dsn, "post", folder) for _ in range(3))) == ["00002"] * 3
    assert await ask(dsn, "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'post'") == 3


@pytest.mark.stores
async def test_a_schema_of_a_newer_release_stops_this_one(folder: Path, dsn: str):
    await migrate(dsn, "post", folder)
    await ask(dsn, "UPDATE post.alembic_version SET version_num = '00007'")
    with pytest.raises(SchemaTooNew, match="schema post is at revision 00007, this release knows 00001"):
        await migrate(dsn, "post", folder)


@pytest.mark.stores
async def test_a_step_that_fails_leaves_nothing_of_itself(folder: Path, dsn: str):
    await migrate(dsn, "post", folder)
    add(folder, 2, "CREATE TABLE stamps (id int); SELECT 1 / 0;")
    with pytest.raises(Exception, match="division by zero"):
        await migrate(dsn, "post", folder)
    assert await ask(dsn, "SELECT to_regclass('post.stamps')") is None
    assert await ask(dsn, "SELECT version_num FROM post.alembic_version") == "00001"


async def test_postgres_that_is_away_is_told_as_such(folder: Path):
    with pytest.raises(PostgresUnavailable):
        await migrate("postgresql://u:p@127.0.0.1:1/x", "post", folder)
    with pytest.raises(PostgresUnavailable):
        async with Database.open("postgresql://u:p@127.0.0.1:1/x", "test"):
            pass


def test_numbers_have_no_gaps(tmp_path: Path):
    for number in (1, 3):
        add(tmp_path, number, "SELECT 1")
    with pytest.raises(ValueError, match="without gaps"):
        revisions(tmp_path)


@pytest.mark.parametrize(
    ("dsn", "wanted"),
    [
        ("postgresql://u@h/d", "postgresql://u@h/d?search_path=mail"),
        ("postgresql://u@h/d?sslmode=disable", "postgresql://u@h/d?sslmode=disable&search_path=mail"),
        ("postgresql://u@h/d?search_path=other", "postgresql://u@h/d?search_path=other"),
    ],
)
def test_a_dsn_names_the_services_own_schema(dsn: str, wanted: str):
    assert in_schema(dsn, "mail") == wanted
