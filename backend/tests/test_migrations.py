"""Which tables the migrations make."""

import asyncpg
import pytest

from backend.app import MIGRATIONS, SCHEMA
from kit.migrate import migrate, revisions
from kit.testing import fresh_database, with_schema

pytestmark = pytest.mark.stores

GROUND = {
    "accounts",
    "audit_log",
    "auth_challenges",
    "auth_links",
    "device_sessions",
    "idempotency_keys",
    "leader",
    "operator_sessions",
    "operators",
    "outbox",
    "outbox_attempts",
    "user_country_counters",
}
GAMES = {
    "applications",
    "deadline_moves",
    "engine_versions",
    "game_clocks",
    "games",
    "invites",
    "memberships",
    "orders",
    "reports",
    "runtime_operation_log",
    "runtime_records",
    "saves",
    "scheduler_heartbeat",
    "turn_inputs",
    "turns",
}


async def _tables(dsn: str) -> set[str]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", SCHEMA)
    finally:
        await connection.close()
    return {row["tablename"] for row in rows} - {"alembic_version"}


async def test_migrations_make_exactly_these_tables(backend_dsn):
    """backend-runbook:76-78 adding a table without updating the expected list is a loud failure."""
    assert await _tables(backend_dsn) == GROUND | GAMES


async def test_the_schema_is_made_where_there_is_none_and_a_second_run_does_nothing(postgres_admin_dsn):
    """backend-runbook:70-75 numbered additive files; the schema is created before the first."""
    assert revisions(MIGRATIONS)[0] == "00001"
    async with fresh_database(postgres_admin_dsn) as bare:
        dsn = with_schema(bare, SCHEMA)
        for _ in range(2):
            assert await migrate(dsn, SCHEMA, MIGRATIONS) == revisions(MIGRATIONS)[-1]
        assert await _tables(dsn) == GROUND | GAMES
