"""The two doors to Postgres that every room is given."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from kit.postgres import Connection


class Transactions(Protocol):
    """Transactions of the active backend."""

    def write(self) -> AbstractAsyncContextManager[Connection]:
        """Open a transaction that has checked, and until its end holds, that this process is still the leader.

        Raises LeadershipLost before anything is written where it is not, and PostgresUnavailable.
        """

    def read(self) -> AbstractAsyncContextManager[Connection]:
        """Open a read-only transaction; it needs no leadership. Raises PostgresUnavailable."""
