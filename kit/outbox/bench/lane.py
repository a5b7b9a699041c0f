"""Our own lane, and the least that any queue on Postgres must do: claim a batch, mark it."""

import time
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from kit.backoff import Ladder
from kit.ids import uuid7
from kit.outbox import Claim, Delivered, Lane, LaneSettings, LaneStorage, OutboxWorker, Outcome
from kit.postgres import Connection, Database

_LANE = Lane("entries", ("pending",), "pending", "published", "pending", "dead_lettered", partition="bench")
TABLES = """
CREATE TABLE entries (
    id uuid PRIMARY KEY, lane text NOT NULL, state text NOT NULL DEFAULT 'pending',
    next_at timestamptz NOT NULL DEFAULT now(), claim_token uuid, leased_until timestamptz,
    attempt_no int NOT NULL DEFAULT 0, attempts_left_from int NOT NULL DEFAULT 0,
    last_error_classification text, last_error text,
    created_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz
);
CREATE INDEX entries_due ON entries (lane, next_at, id) WHERE finished_at IS NULL;
CREATE TABLE entries_attempts (
    entry_id uuid NOT NULL, attempt_no int NOT NULL, claim_token uuid NOT NULL, started_at timestamptz NOT NULL,
    finished_at timestamptz, outcome text NOT NULL, classification text, error text, PRIMARY KEY (entry_id, attempt_no)
);
CREATE TABLE bare (id uuid PRIMARY KEY, next_at timestamptz NOT NULL DEFAULT now(), done boolean NOT NULL DEFAULT false);
CREATE INDEX bare_due ON bare (next_at, id) WHERE NOT done;
"""
_BARE_CLAIM = "SELECT id FROM bare WHERE NOT done AND next_at <= now() ORDER BY next_at, id LIMIT $1 FOR UPDATE SKIP LOCKED"
_BARE_MARK = "UPDATE bare SET done = true WHERE id = ANY ($1::uuid[])"


class Nowhere:
    """A transport that takes everything at once."""

    async def deliver(self, claims: Sequence[Claim]) -> AsyncIterator[Sequence[Outcome]]:
        """Take all."""
        yield [Delivered(claim) for claim in claims]


async def _fill(database: Database, table: str, entries: int) -> None:
    async with database.connection() as connection:
        await connection.execute("TRUNCATE entries, entries_attempts, bare")
        await _add(connection, table, entries)
        await connection.execute(f"VACUUM ANALYZE {table}")


async def _add(connection: Connection, table: str, entries: int) -> None:
    columns, values = ("id, lane", "id, 'bench'") if table == "entries" else ("id", "id")
    statement = f"INSERT INTO {table} ({columns}) SELECT {values} FROM unnest($1::uuid[]) AS id"  # noqa: S608 - our own words
    await connection.execute(statement, [uuid7() for _ in range(entries)])


async def drain(database: Database, entries: int, batch: int) -> list[float]:
    """Drain a full lane; return the seconds that each pass took."""
    await _fill(database, "entries", entries)
    return await _passes(database, batch)


async def drain_under_snapshot(database: Database, entries: int, batch: int) -> list[float]:
    """Drain entries while another session holds a snapshot from before they were added; return the seconds of each pass."""
    await _fill(database, "entries", 0)
    async with database.connection() as holder, holder.transaction(isolation="repeatable_read"):
        await holder.fetchval("SELECT count(*) FROM entries")
        async with database.connection() as connection:
            await _add(connection, "entries", entries)
            await connection.execute("ANALYZE entries")
        return await _passes(database, batch)


async def _passes(database: Database, batch: int) -> list[float]:
    settings = LaneSettings(batch=batch, lease=timedelta(minutes=5))
    worker = OutboxWorker(
        "bench", _LANE, LaneStorage(database, _LANE), Nowhere(), settings, Ladder((timedelta(seconds=5),))
    )
    passes: list[float] = []
    while True:
        began = time.perf_counter()
        if not (await worker.run_once()).claimed:
            return passes
        passes.append(time.perf_counter() - began)


async def drain_bare(database: Database, entries: int, batch: int) -> float:
    """Drain the bare table; return entries a second."""
    await _fill(database, "bare", entries)
    began = time.perf_counter()
    async with database.connection() as connection:
        while True:
            async with connection.transaction():
                rows = await connection.fetch(_BARE_CLAIM, batch)
            if not rows:
                break
            await connection.execute(_BARE_MARK, [row["id"] for row in rows])
    return entries / (time.perf_counter() - began)
