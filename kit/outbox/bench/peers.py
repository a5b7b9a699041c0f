"""Measures one peer: `python peers.py pgqueuer|procrastinate DSN ENTRIES SIZE`, in the peers' own environment.

Empties the database it is given. Prints entries a second: from the worker's start to the last job's end as the peer's own
history has it, so that what its worker does to start and stop costs it nothing.
"""

import logging
import sys
from datetime import datetime, timedelta

import asyncpg
import uvloop
from pgqueuer import AsyncpgDriver, Queries, QueueManager
from pgqueuer.types import QueueExecutionMode
from procrastinate import App, PsycopgConnector

_AT_ONCE = 1000


async def pgqueuer(dsn: str, entries: int, batch: int) -> float:
    """Drain jobs that PgQueuer claims `batch` at a time."""
    watcher = await _emptied(dsn)
    driver = AsyncpgDriver(await asyncpg.connect(dsn))
    queries = Queries(driver)
    await queries.install()
    for first in range(0, entries, _AT_ONCE):
        count = min(_AT_ONCE, entries - first)
        await queries.enqueue(["nothing"] * count, [None] * count, [0] * count)
    await watcher.execute("VACUUM ANALYZE")
    manager = QueueManager(queries)

    @manager.entrypoint("nothing")  # type: ignore[untyped-decorator]
    async def nothing(job: object) -> None:
        pass

    began = await watcher.fetchval("SELECT clock_timestamp()")
    await manager.run(batch_size=batch, mode=QueueExecutionMode.drain, log_aggregation_interval=timedelta(0))
    return await _pace(
        watcher, "SELECT created FROM pgqueuer_log WHERE status = 'successful'", entries, began
    )


async def procrastinate(dsn: str, entries: int, concurrency: int) -> float:
    """Drain jobs of which Procrastinate works on `concurrency` side by side; it claims them one by one."""
    watcher = await _emptied(dsn)
    app = App(connector=PsycopgConnector(conninfo=dsn, min_size=2, max_size=concurrency + 5))

    @app.task(name="nothing")  # type: ignore[untyped-decorator]
    async def nothing() -> None:
        pass

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        for first in range(0, entries, _AT_ONCE):
            await nothing.batch_defer_async(*[{}] * min(_AT_ONCE, entries - first))
        await watcher.execute("VACUUM ANALYZE")
        began = await watcher.fetchval("SELECT clock_timestamp()")
        await app.run_worker_async(
            wait=False, concurrency=concurrency, install_signal_handlers=False, listen_notify=False
        )
    return await _pace(
        watcher, "SELECT at FROM procrastinate_events WHERE type = 'succeeded'", entries, began
    )


async def _emptied(dsn: str) -> "asyncpg.Connection[asyncpg.Record]":
    connection = await asyncpg.connect(dsn)
    await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return connection


async def _pace(
    watcher: "asyncpg.Connection[asyncpg.Record]", ends: str, entries: int, began: datetime
) -> float:
    done = [row[0] for row in await watcher.fetch(ends)]
    if len(done) != entries:
        raise SystemExit(f"{len(done)} of {entries} jobs were done")
    return float(entries / (max(done) - began).total_seconds())


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    _, which, database, entries_text, size_text = sys.argv
    measured = {"pgqueuer": pgqueuer, "procrastinate": procrastinate}[which]
    sys.stdout.write(f"{uvloop.run(measured(database, int(entries_text), int(size_text)))}\n")
