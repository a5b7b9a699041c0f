"""Deleting what is past its retention."""

from collections.abc import Awaitable, Callable, Mapping

from kit.logs import get_logger

_log = get_logger("retention")

Purge = Callable[[int], Awaitable[int]]
"""Deletes at most so many rows, oldest first, in a transaction of its own; returns how many."""


class Retention:
    """One duty over several tables, in batches: no statement runs long or holds many locks, however much has gathered."""

    def __init__(self, purges: Mapping[str, Purge], batch_rows: int) -> None:
        """`purges` go by the name of what they delete, for the log."""
        self._purges = purges
        self._batch_rows = batch_rows

    async def run_once(self) -> Mapping[str, int]:
        """Purge until nothing is left that is past its time; return how many rows went, by name.

        Rows that another transaction holds stay for the next time. Raises PostgresUnavailable; what was deleted before is.
        """
        gone = {}
        for name, purge in self._purges.items():
            gone[name] = 0
            full = True
            while full:
                deleted = await purge(self._batch_rows)
                gone[name] += deleted
                full = deleted >= self._batch_rows
        if any(gone.values()):
            _log.info("retention_purged", **gone)
        return gone
