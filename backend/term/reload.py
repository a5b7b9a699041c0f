"""Reading the caches again after a commit whose outcome nobody heard."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from kit.logs import get_logger
from kit.postgres import PostgresUnavailable
from kit.tasks import raise_if_cancelled

_log = get_logger("reload")


class CacheReloader:
    """Waits for an unknown outcome and reads every cache again as soon as Postgres answers.

    Error policy: Postgres being away is waited out; anything else is a defect, rises and ends the process.
    """

    name = "cache_reloader"

    def __init__(
        self,
        outcome_unknown: asyncio.Event,
        reloads: Sequence[Callable[[], Awaitable[None]]],
        retry_wait: timedelta,
    ) -> None:
        """`reloads` read over what the caches hold; the rows' versions decide what stays."""
        self._outcome_unknown = outcome_unknown
        self._reloads = reloads
        self._retry_seconds = retry_wait.total_seconds()

    async def run(self, started: Callable[[], None]) -> None:
        """Work until cancelled."""
        started()
        while True:
            raise_if_cancelled()
            await self._outcome_unknown.wait()
            # Before reading: an outcome that becomes unknown meanwhile asks for another round.
            self._outcome_unknown.clear()
            try:
                for reload in self._reloads:
                    await reload()
            except PostgresUnavailable as error:
                _log.warning("cache_reload_waits", reason=str(error))
                self._outcome_unknown.set()
                await asyncio.sleep(self._retry_seconds)
            else:
                _log.info("caches_reloaded")
