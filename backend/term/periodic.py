"""A duty that is done again and again while the backend is active."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta

from backend.leadership.errors import LeadershipLost
from kit.logs import get_logger
from kit.postgres import PostgresUnavailable

_log = get_logger("periodic")


class Periodic:
    """Runs one duty each `interval`, the first time at once.

    Error policy: Postgres being away skips a turn; anything else is a defect, rises and ends the process.
    """

    def __init__(
        self,
        name: str,
        interval: timedelta,
        duty: Callable[[], Awaitable[object]],
        last: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """`last` is done once more when the worker is stopped, for what would otherwise be lost with the process."""
        self._name = name
        self._seconds = interval.total_seconds()
        self._duty = duty
        self._last = last

    @property
    def name(self) -> str:
        """Return the worker's name for logs."""
        return self._name

    async def run(self, started: Callable[[], None]) -> None:
        """Work until cancelled."""
        started()
        try:
            while True:
                await self.run_once(self._duty)
                await asyncio.sleep(self._seconds)
        finally:
            if self._last is not None:
                with contextlib.suppress(
                    LeadershipLost
                ):  # another backend is active: nothing of ours may count
                    await self.run_once(self._last)

    async def run_once(self, duty: Callable[[], Awaitable[object]]) -> None:
        """Do a duty; tell, and go on, when Postgres is away."""
        try:
            await duty()
        except PostgresUnavailable as error:
            _log.warning("duty_skipped", worker=self._name, reason=str(error))
