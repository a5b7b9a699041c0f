"""The tables that the migrations make, and what they forbid."""

import asyncpg
import pytest

from mail.tests.conftest import Post

pytestmark = pytest.mark.stores


async def test_the_migrations_make_exactly_these_tables(post: Post):
    rows = await post.fetch("SELECT table_name FROM information_schema.tables WHERE table_schema = 'mail'")
    assert {row["table_name"] for row in rows} == {
        "alembic_version",
        "command_conflicts",
        "dead_letters",
        "deliveries",
        "deliveries_attempts",
        "erased_users",
        "idempotency_keys",
        "malformed_commands",
        "stream_offsets",
        "suppressions",
    }


@pytest.mark.parametrize(
    "change",
    [
        "state = 'sent'",
        "finished_at = NULL",
        "state = 'sending'",
        "claim_token = gen_random_uuid()",
        "state = 'lost'",
        "attempts_left_from = 99",
        "lane = 'express'",
    ],
)
async def test_the_table_forbids_impossible_rows(post: Post, change: str):
    delivery_id = await post.send()
    await post.reaches(delivery_id, "sent")
    await post.execute(
        "UPDATE deliveries SET state = 'retrying', finished_at = NULL, next_at = now() + interval '1 h'"
    )
    if change == "finished_at = NULL":
        change = "state = 'dead_lettered', finished_at = NULL"
    with pytest.raises(asyncpg.CheckViolationError):
        await post.execute(f"UPDATE deliveries SET {change}")  # noqa: S608 - the cases above
