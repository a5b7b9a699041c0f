"""The clean-up worker."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from kit.logs import get_logger
from kit.postgres import Database, PostgresUnavailable
from kit.sql import load_queries
from kit.tasks import raise_if_cancelled

_log = get_logger("retention")
_BATCH = 1000


@dataclass(frozen=True)
class RetentionCounts:
    """What one pass removed."""

    records: int = 0
    malformed: int = 0
    conflicts: int = 0


class RetentionWorker:
    """Removes bounded batches until nothing is left, then waits; Postgres being away skips a pass."""

    name = "retention"

    def __init__(
        self, database: Database, records: timedelta, malformed: timedelta, interval: timedelta
    ) -> None:
        self._database = database
        self._records = records
        self._malformed = malformed
        self._interval = interval
        self._queries = load_queries(__package__)

    async def run(self, started: Callable[[], None]) -> None:
        """Clean until cancelled."""
        started()
        while True:
            raise_if_cancelled()
            try:
                counts = await self.run_once()
            except PostgresUnavailable as error:
                _log.warning("retention_skipped", reason=str(error))
                counts = RetentionCounts()
            if counts != RetentionCounts():
                _log.info("retention_done", **vars(counts))
            if max(vars(counts).values()) < _BATCH:
                await asyncio.sleep(self._interval.total_seconds())

    async def run_once(self) -> RetentionCounts:
        """Remove one batch of each kind. Raises PostgresUnavailable."""
        async with self._database.transaction() as connection:
            records = await connection.fetch(self._queries["delete_old_records"], self._records, _BATCH)
            malformed = await connection.fetch(self._queries["delete_old_malformed"], self._malformed, _BATCH)
            conflicts = await connection.fetch(self._queries["delete_old_conflicts"], self._malformed, _BATCH)
        return RetentionCounts(len(records), len(malformed), len(conflicts))
