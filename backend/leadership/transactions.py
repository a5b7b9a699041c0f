"""Transactions fenced by the leader's epoch."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from backend.leadership.errors import LeadershipLost
from kit.logs import get_logger
from kit.postgres import Connection, Database
from kit.sql import load_queries

_log = get_logger("leadership")
_QUERIES = load_queries(__package__)


class FencedTransactions:
    """The doors to Postgres for one epoch.

    A process that was stopped for a while cannot know that it lost the lock; the epoch row knows. Each write holds the
    row in share mode until it ends, so a takeover (which updates the row) waits for it, and every later write of the old
    epoch fails.
    """

    def __init__(self, database: Database, epoch: int, on_lost: Callable[[], None]) -> None:
        """`on_lost` is told, possibly often, that this epoch is over."""
        self._database = database
        self._epoch = epoch
        self._on_lost = on_lost
        self.outcome_unknown = asyncio.Event()
        """Set when a commit was asked for and not answered: what it wrote may stand, and no cache was told."""

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Connection]:
        """Open a transaction in which this process is surely the leader. Raises LeadershipLost and PostgresUnavailable."""
        committing = False
        try:
            async with self._database.transaction() as connection:
                await self._hold_epoch(connection)
                yield connection
                committing = True
        except BaseException:  # also a cancellation in the middle of the commit
            if committing:
                _log.warning("commit_outcome_unknown")
                self.outcome_unknown.set()
            raise

    async def _hold_epoch(self, connection: Connection) -> None:
        in_force = await connection.fetchval(_QUERIES["hold_epoch"])
        if in_force != self._epoch:
            _log.error("stale_leader_refused", epoch=self._epoch, epoch_in_force=in_force)
            self._on_lost()
            raise LeadershipLost(f"epoch {self._epoch} is over, {in_force} is in force")

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """Open a read-only transaction. Raises PostgresUnavailable."""
        async with self._database.connection() as connection, connection.transaction(readonly=True):
            yield connection


class FencedDatabase(Database):
    """The same fence for kit parts, whose every transaction writes."""

    def __init__(self, database: Database, transactions: FencedTransactions) -> None:
        self._database = database
        self._transactions = transactions

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Borrow a connection without a transaction, to read. Raises PostgresUnavailable."""
        async with self._database.connection() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Open a fenced transaction. Raises LeadershipLost and PostgresUnavailable."""
        async with self._transactions.write() as connection:
            yield connection
