"""`python -m kit.outbox.bench`: how quickly a lane drains with its whole history, and what a held snapshot costs it.

The peer is a bare harness in the same run: the least that any queue on Postgres must do (claim a batch, mark it), without
tokens, leases, history or schedule. Where PgQueuer or Procrastinate are installed they can be measured beside it by hand.
"""

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import orjson
import uvloop

from kit.backoff import Ladder
from kit.logs import configure_logs
from kit.outbox import Claim, Delivered, Lane, LaneSettings, LaneStorage, OutboxWorker, Outcome
from kit.postgres import Database
from kit.testing import fresh_database

_LANE = Lane("entries", ("pending",), "pending", "published", "pending", "dead_lettered", partition="bench")
_TABLES = """
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
    columns = "(id, lane)" if table == "entries" else "(id)"
    values = "gen_random_uuid(), 'bench'" if table == "entries" else "gen_random_uuid()"
    async with database.connection() as connection:
        await connection.execute(f"TRUNCATE {table}")
        await connection.execute(
            f"INSERT INTO {table} {columns} SELECT {values} FROM generate_series(1, {entries})"  # noqa: S608 - our own words
        )
        await connection.execute(f"VACUUM ANALYZE {table}")


async def drain(database: Database, entries: int, batch: int) -> list[float]:
    """Drain a full lane; return the seconds that each pass took."""
    await _fill(database, "entries", entries)
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


async def drain_under_snapshot(database: Database, entries: int, batch: int) -> float:
    """Drain while another session holds a snapshot; return the pace of the last tenth against the first tenth."""
    async with database.connection() as holder, holder.transaction(isolation="repeatable_read"):
        await holder.fetchval("SELECT count(*) FROM entries")
        passes = await drain_without_vacuum(database, entries, batch)
    tenth = max(1, len(passes) // 10)
    return statistics.median(passes[:tenth]) / statistics.median(passes[-tenth:])


async def drain_without_vacuum(database: Database, entries: int, batch: int) -> list[float]:
    """Drain entries that were added after the snapshot was taken."""
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO entries (id, lane) SELECT gen_random_uuid(), 'bench' FROM generate_series(1, $1)",
            entries,
        )
        await connection.execute("ANALYZE entries")
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


async def measure(dsn: str, entries: int, batch: int, runs: int) -> dict[str, Any]:
    """Measure all in turns and give the medians."""
    async with Database.open(dsn, "bench") as database:
        async with database.connection() as connection:
            await connection.execute(_TABLES)
        ours, bare = [], []
        for _ in range(runs):
            bare.append(await drain_bare(database, entries, batch))
            ours.append(entries / sum(await drain(database, entries, batch)))
        held = await drain_under_snapshot(database, entries, batch)
    own, peer = statistics.median(ours), statistics.median(bare)
    return {
        "bench": "outbox",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "results": [
            {
                "name": f"entries drained with attempts history, batch {batch}",
                "value": round(own),
                "unit": "entries/s",
                "peer": "bare asyncpg, no token, lease or history",
                "peer_value": round(peer),
                "ratio": round(own / peer, 2),
                "goal": "",
                "met": True,
            },
            {
                "name": "pace under a held snapshot, last tenth against first",
                "value": round(held, 2),
                "unit": "ratio",
                "peer": None,
                "peer_value": None,
                "ratio": None,
                "goal": ">= 0.9",
                "met": held >= 0.9,
            },
        ],
    }


async def _main() -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="python -m kit.outbox.bench")
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    configure_logs("bench", "warning", sys.stderr)
    dsn = os.environ.get("GALAXY_TEST_POSTGRES_DSN")
    if not dsn:
        raise SystemExit("set GALAXY_TEST_POSTGRES_DSN to a superuser's DSN of a PostgreSQL to measure on")
    async with fresh_database(dsn) as fresh:
        return await measure(fresh, arguments.entries, arguments.batch, arguments.runs)


if __name__ == "__main__":
    sys.stdout.write(orjson.dumps(uvloop.run(_main())).decode() + "\n")
