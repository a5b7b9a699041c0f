"""The clean-up: forgets codes past their time, removes what is older than its retention."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from kit.logs import get_logger
from kit.postgres import Database, PostgresUnavailable
from kit.tasks import raise_if_cancelled
from mail.deliveries.storage import DeliveryStorage

_log = get_logger("cleanup")
_BATCH = 500
_CODES_SECONDS = 10.0


@dataclass(frozen=True)
class CleanupCounts:
    """What one pass removed."""

    codes: int
    deliveries: int
    malformed: int


class CleanupWorker:
    """Runs both duties; Postgres being away skips a pass."""

    name = "cleanup"

    def __init__(
        self,
        database: Database,
        storage: DeliveryStorage,
        delivery_retention: timedelta,
        malformed_retention: timedelta,
        interval: timedelta,
    ) -> None:
        self._database = database
        self._storage = storage
        self._delivery_retention = delivery_retention
        self._malformed_retention = malformed_retention
        self._wait_seconds = min(interval.total_seconds(), _CODES_SECONDS)

    async def run(self, started: Callable[[], None]) -> None:
        """Clean until cancelled."""
        started()
        while True:
            raise_if_cancelled()
            try:
                counts = await self.run_once()
                if counts != CleanupCounts(0, 0, 0):
                    _log.info("cleanup_done", **vars(counts))
            except PostgresUnavailable as error:
                _log.warning("cleanup_skipped", reason=str(error))
            await asyncio.sleep(self._wait_seconds)

    async def run_once(self) -> CleanupCounts:
        """Remove one bounded batch of each kind. Raises PostgresUnavailable."""
        async with self._database.transaction() as connection:
            codes = await self._storage.erase_expired(connection, _BATCH)
        async with self._database.transaction() as connection:
            deliveries, malformed = await self._storage.delete_old(
                connection, self._delivery_retention, self._malformed_retention, _BATCH
            )
        return CleanupCounts(codes, deliveries, malformed)
