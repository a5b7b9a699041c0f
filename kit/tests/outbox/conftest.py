"""A lane of its own for each test: table, history, storage."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from kit.ids import uuid7
from kit.outbox import Claim, Lane, LaneSettings, LaneStorage
from kit.postgres import Database
from kit.testing import fresh_database

LANE = Lane(
    table="letters",
    waiting=("pending", "retrying"),
    leased="sending",
    delivered="sent",
    retry="retrying",
    dead="dead_lettered",
    channel="letters",
    partition="slow",
)

TABLES = """
CREATE TABLE letters (
    id uuid PRIMARY KEY, lane text NOT NULL, state text NOT NULL DEFAULT 'pending',
    next_at timestamptz NOT NULL DEFAULT now(), claim_token uuid, leased_until timestamptz,
    attempt_no int NOT NULL DEFAULT 0, attempts_left_from int NOT NULL DEFAULT 0,
    last_error_classification text, last_error text,
    created_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz
);
CREATE INDEX letters_due ON letters (lane, next_at, id) WHERE finished_at IS NULL;
CREATE TABLE letters_attempts (
    entry_id uuid NOT NULL, attempt_no int NOT NULL, claim_token uuid NOT NULL,
    started_at timestamptz NOT NULL, finished_at timestamptz,
    outcome text NOT NULL CHECK (outcome IN ('started', 'delivered', 'refused', 'unknown', 'dead')),
    classification text, error text,
    PRIMARY KEY (entry_id, attempt_no)
);
"""

QUICK = LaneSettings(worker_interval=timedelta(milliseconds=20), lease=timedelta(seconds=30), max_attempts=3)


@dataclass
class Letters:
    """The lane's tables as a test sees them."""

    database: Database
    storage: LaneStorage
    dsn: str = ""

    async def add(self, count: int = 1, lane: str = "slow") -> list[str]:
        """Insert entries that are due; return their ids."""
        ids = [uuid7() for _ in range(count)]
        async with self.database.transaction() as connection:
            await connection.executemany(
                "INSERT INTO letters (id, lane) VALUES ($1, $2)", [(i, lane) for i in ids]
            )
        return ids

    async def row(self, entry_id: str) -> dict[str, Any]:
        """Return one entry."""
        async with self.database.connection() as connection:
            row = await connection.fetchrow("SELECT * FROM letters WHERE id = $1", entry_id)
        assert row is not None
        return dict(row)

    async def history(self, entry_id: str) -> list[tuple[int, str, str | None]]:
        """Return the attempts of one entry: number, outcome, classification."""
        async with self.database.connection() as connection:
            rows = await connection.fetch(
                "SELECT attempt_no, outcome, classification FROM letters_attempts WHERE entry_id = $1 ORDER BY 1",
                entry_id,
            )
        return [tuple(row) for row in rows]

    async def expire_leases(self) -> None:
        """Let every lease run out, as if its length had passed."""
        async with self.database.transaction() as connection:
            await connection.execute(
                "UPDATE letters SET leased_until = now() - interval '1 ms' WHERE leased_until IS NOT NULL"
            )

    async def make_due(self) -> None:
        """Let every wait of the ladder pass."""
        async with self.database.transaction() as connection:
            await connection.execute("UPDATE letters SET next_at = now() WHERE finished_at IS NULL")

    async def claim(self, batch: int = 100, lease: timedelta = QUICK.lease) -> list[Claim]:
        """Claim as a worker does."""
        return await self.storage.claim(batch, lease)


@pytest.fixture
async def letters(postgres_admin_dsn: str) -> AsyncIterator[Letters]:
    """Give an empty lane in a database of its own."""
    async with fresh_database(postgres_admin_dsn) as dsn, Database.open(dsn, "outbox-test") as database:
        async with database.transaction() as connection:
            await connection.execute(TABLES)
        yield Letters(database, LaneStorage(database, LANE), dsn)
