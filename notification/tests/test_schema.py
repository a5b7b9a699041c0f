"""The tables that the migrations make."""

import pytest

from notification.tests.conftest import Outside

pytestmark = pytest.mark.stores


async def test_the_migrations_make_exactly_these_tables(outside: Outside):
    """notification-runbook:15 notification-runbook:16"""
    rows = await outside.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'notification'"
    )
    assert {row["table_name"] for row in rows} == {
        "alembic_version",
        "dead_letters",
        "idempotency_conflicts",
        "idempotency_keys",
        "malformed_intents",
        "records",
        "routes",
        "routes_attempts",
        "stream_offsets",
    }
    elsewhere = await outside.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    )
    assert elsewhere == []
