"""Schema migrations: Alembic keeps the order, plain numbered SQL files say what happens.

A service has a folder `migrations/` with pairs `00001_init.sql` and `00001_init.py` (the revision; its `upgrade` calls
`run_sql_beside(__file__)`). Every service migrates its own schema at start-up. Replicas that start together take turns by
polling `pg_try_advisory_lock`: the blocking call would deadlock with `CREATE INDEX CONCURRENTLY`.
"""

import asyncio
import re
import zlib
from pathlib import Path
from typing import Any

import asyncpg

from kit.logs import get_logger
from kit.postgres import AWAY, PostgresUnavailable

_log = get_logger("migrate")
_REVISION_FILE = re.compile(r"^(\d{5})_[a-z0-9_]+\.sql$")
_POLL_SECONDS = 0.1


class SchemaTooNew(Exception):
    """The database was migrated by a newer release than this one; going on could damage it."""


def revisions(folder: Path) -> list[str]:
    """List the numbers of a migrations folder in order. Raises ValueError when a number is missing or doubled."""
    numbers = sorted(m[1] for f in folder.iterdir() if (m := _REVISION_FILE.match(f.name)))
    if numbers != [f"{n:05d}" for n in range(1, len(numbers) + 1)]:
        raise ValueError(f"{folder} must number its files 00001, 00002, … without gaps: {numbers}")
    return numbers


async def migrate(dsn: str, schema: str, folder: Path) -> str:
    """Bring `schema` to the newest revision of `folder` and return its number; create the schema where it is missing.

    Alembic is imported only when there is something to do: it costs more memory than a whole service. Raises
    PostgresUnavailable, SchemaTooNew, and whatever a failing statement raises (nothing of that revision is then kept).
    """
    newest = revisions(folder)[-1]
    try:
        connection = await asyncpg.connect(dsn, timeout=10)
    except AWAY as error:
        raise PostgresUnavailable(str(error)) from error
    try:
        lock_key = zlib.crc32(f"migrate:{schema}".encode())
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", lock_key):
            await asyncio.sleep(_POLL_SECONDS)
        # Asked first: a login that owns its schema and no more may not even say CREATE SCHEMA IF NOT EXISTS.
        if await connection.fetchval("SELECT to_regnamespace($1)", f'"{schema}"') is None:
            await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        current = await _current(connection, schema)
        if current is not None and current > newest:
            raise SchemaTooNew(
                f"schema {schema} is at revision {current}, this release knows {newest}: run the newer release"
            )
        if current != newest:
            _log.info("migration_started", schema=schema, from_revision=current, to_revision=newest)
            await asyncio.to_thread(_upgrade, dsn, schema, folder)
            _log.info("migration_finished", schema=schema, revision=newest)
    finally:
        await connection.close()
    return newest


async def _current(connection: Any, schema: str) -> str | None:
    table = f'"{schema}".alembic_version'
    if await connection.fetchval("SELECT to_regclass($1)", table) is None:
        return None
    version = await connection.fetchval(f"SELECT version_num FROM {table}")  # noqa: S608 - the schema is our own constant
    return str(version) if version else None


def _upgrade(dsn: str, schema: str, folder: Path) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic_environment"))
    config.set_main_option("version_locations", str(folder))
    config.set_main_option("path_separator", "os")
    config.attributes["dsn"] = dsn
    config.attributes["schema"] = schema
    command.upgrade(config, "head")


def run_sql_beside(revision_file: str) -> None:
    """Run the `.sql` file of the same name as the calling revision, as one script of plain SQL.

    The text goes to the driver untouched: SQLAlchemy would take `:name` in it for a bind.
    """
    from alembic import op
    from sqlalchemy.util import await_only

    script = Path(revision_file).with_suffix(".sql").read_text(encoding="utf-8")
    driver_connection = op.get_bind().connection.driver_connection
    assert driver_connection is not None
    await_only(driver_connection.execute(script))
