"""Requests counted by user and country, written now and then."""

from backend.geo.ports import CountryLookup
from backend.leadership.ports import Transactions
from kit.clock import Clock
from kit.logs import get_logger
from kit.postgres import PostgresUnavailable
from kit.sql import load_queries

_log = get_logger("geo")
_QUERIES = load_queries(__package__)
_PENDING_MAX = 50_000


class CountryCounters:
    """Fire and forget: a request only adds to a number in memory; what was not written when the process dies is lost."""

    def __init__(
        self,
        transactions: Transactions,
        countries: CountryLookup,
        clock: Clock,
        pending_max: int = _PENDING_MAX,
    ) -> None:
        """`pending_max` bounds how many (user, country) pairs wait; beyond it requests go uncounted."""
        self._transactions = transactions
        self._countries = countries
        self._clock = clock
        self._pending_max = pending_max
        self._pending: dict[tuple[str, str], int] = {}
        self.dropped = 0
        """Requests that were not counted because too much was waiting."""

    def saw(self, user_id: str, address: str) -> None:
        """Count one request for the country of an address, if it has one."""
        country = self._countries.country_of(address)
        if country is None:
            return
        pair = (user_id, country)
        if pair not in self._pending and len(self._pending) >= self._pending_max:
            self.dropped += 1
            return
        self._pending[pair] = self._pending.get(pair, 0) + 1

    async def flush(self) -> int:
        """Write what waits; return how many pairs. Raises PostgresUnavailable, after which all of it still waits."""
        if not self._pending:
            return 0
        pending, self._pending = self._pending, {}
        now = self._clock.now()
        # In one order for all, so that two flushes (an old leader's last, a new one's first) never lock crosswise.
        rows = [(user, country, count, now) for (user, country), count in sorted(pending.items())]
        try:
            async with self._transactions.write() as connection:
                await connection.executemany(_QUERIES["add"], rows)
        except PostgresUnavailable:
            for pair, count in pending.items():
                self._pending[pair] = self._pending.get(pair, 0) + count
            raise
        if self.dropped:
            _log.warning("country_counts_dropped", requests=self.dropped)
            self.dropped = 0
        return len(rows)
