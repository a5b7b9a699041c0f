"""Reading the caches again after a commit whose outcome nobody heard."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from backend.leadership.transactions import FencedTransactions
from kit.logs import get_logger
from kit.postgres import PostgresUnavailable
from kit.tasks import raise_if_cancelled

_log = get_logger("reload")


class CacheReloader:
    """Waits for an unknown outcome and reads every cache again as soon as Postgres has decided it.

    Error policy: Postgres being away is waited out; anything else is a defect, rises and ends the process.
    """

    name = "cache_reloader"

    def __init__(
        self,
        transactions: FencedTransactions,
        reloads: Sequence[Callable[[], Awaitable[None]]],
        retry_wait: timedelta,
    ) -> None:
        """`reloads` read over what the caches hold; the rows' versions decide what stays."""
        self._transactions = transactions
        self._reloads = reloads
        self._retry_seconds = retry_wait.total_seconds()
        self._stale = False

    async def run(self, started: Callable[[], None]) -> None:
        """Work until cancelled."""
        started()
        unknown = self._transactions.outcome_unknown
        while True:
            raise_if_cancelled()
            await unknown.wait()
            # Before asking: an outcome that becomes unknown meanwhile asks for another round.
            unknown.clear()
            if not await self._settle():
                unknown.set()
                await asyncio.sleep(self._retry_seconds)

    async def _settle(self) -> bool:
        """Read again if a commit has been decided; tell whether none is left to wait for.

        One that is still under way holds up nobody else's: it is asked about again.
        """
        try:
            outcomes = await self._transactions.settle()
            self._stale = self._stale or outcomes.over > 0
            if self._stale:
                for reload in self._reloads:
                    await reload()
                self._stale = False
                _log.info("caches_reloaded")
        except PostgresUnavailable as error:
            _log.warning("cache_reload_waits", reason=str(error))
            return False
        if outcomes.under_way:
            _log.warning("cache_reload_waits", reason="a commit is still under way", count=outcomes.under_way)
        return not outcomes.under_way
