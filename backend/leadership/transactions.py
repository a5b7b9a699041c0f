"""Transactions fenced by the leader's epoch."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from backend.leadership.errors import LeadershipLost
from kit.logs import get_logger
from kit.postgres import Connection, Database
from kit.sql import load_queries

_log = get_logger("leadership")
_QUERIES = load_queries(__package__)


@dataclass(frozen=True)
class Outcomes:
    """What Postgres says of commits whose answer nobody heard."""

    over: int
    """Committed or rolled back by now: whoever reads sees what stands."""
    under_way: int
    """Still being committed, or waiting for a server to notice that nobody is there."""


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
        """Set when a commit was asked for and not answered: what it wrote may stand, and no cache was told: `settle`."""
        self._unknown: set[str] = set()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Connection]:
        """Open a transaction in which this process is surely the leader. Raises LeadershipLost and PostgresUnavailable."""
        committing: str | None = None
        try:
            async with self._database.transaction() as connection:
                xid = await self._hold_epoch(connection)
                yield connection
                committing = xid
        except BaseException:  # also a cancellation in the middle of the commit
            if committing is not None:
                _log.warning("commit_outcome_unknown", xid=committing)
                self._unknown.add(committing)
                self.outcome_unknown.set()
            raise

    async def settle(self) -> Outcomes:
        """Ask Postgres about the commits of unknown outcome, and forget those that are over. Raises PostgresUnavailable.

        A connection that broke on our side alone leaves Postgres committing: reading before that is over reads too early.
        """
        asked = tuple(self._unknown)
        async with self._database.connection() as connection:
            over = {xid for xid in asked if not await _is_under_way(connection, xid)}
        self._unknown -= over
        return Outcomes(len(over), len(asked) - len(over))

    async def _hold_epoch(self, connection: Connection) -> str:
        row = await connection.fetchrow(_QUERIES["hold_epoch"])
        in_force = row["epoch"] if row is not None else None
        if row is None or in_force != self._epoch:
            _log.error("stale_leader_refused", epoch=self._epoch, epoch_in_force=in_force)
            self._on_lost()
            raise LeadershipLost(f"epoch {self._epoch} is over, {in_force} is in force")
        xid: str = row["xid"]
        return xid

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """Open a read-only transaction. Raises PostgresUnavailable."""
        async with self._database.connection() as connection, connection.transaction(readonly=True):
            yield connection


async def _is_under_way(connection: Connection, xid: str) -> bool:
    try:
        return bool(await connection.fetchval(_QUERIES["is_under_way"], xid))
    except asyncpg.InvalidParameterValueError:  # another server in the place of the one that died with it
        return False


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
