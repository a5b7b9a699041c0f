"""Postgres through asyncpg: one pool a process, short transactions, driver errors turned into ours.

Transactions open in the use case and the connection is passed down to storages; no storage opens its own.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import orjson
from pydantic import Field

from kit.absence import StoreAway
from kit.duration import Duration
from kit.settings import Group

if TYPE_CHECKING:
    Connection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]
else:  # asyncpg's classes take no parameters at run time
    Connection = asyncpg.Connection


class PostgresUnavailable(StoreAway):
    """Postgres cannot be reached or is restarting; the work may be tried again after a moment."""


class PoolSettings(Group):
    """Size and limits of a service's connection pool."""

    min_size: int = Field(2, ge=0, description="connections kept open")
    max_size: int = Field(10, ge=1, description="connections at most")
    statement_timeout: Duration = Field(timedelta(seconds=30), description="longest time of one statement")
    acquire_timeout: Duration = Field(timedelta(seconds=5), description="longest wait for a free connection")


def in_schema(dsn: str, schema: str) -> str:
    """Return the DSN with `search_path` set to the service's own schema, unless it names one already."""
    parts = urlsplit(dsn)
    if "search_path=" in parts.query:
        return dsn
    query = f"{parts.query}&search_path={schema}" if parts.query else f"search_path={schema}"
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


_LOST: tuple[type[Exception], ...] = (
    ConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.ConnectionFailureError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
# asyncpg says InterfaceError for a connection that was closed under it, and InternalClientError for one that heard of the
# server's end between two statements.

_UNWELL: tuple[type[Exception], ...] = (
    asyncpg.exceptions.TransactionRollbackError,
    asyncpg.exceptions.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.InvalidCachedStatementError,
)
# A deadlock, a full disk, a lock or a statement that took too long, a table that a newer release has just given a column:
# nothing of the transaction was kept, the connection is sound, and the same may succeed a moment later.

AWAY: tuple[type[Exception], ...] = (OSError, TimeoutError, *_LOST)
"""Driver errors that mean "not there just now" while connecting."""


class Database:
    """A pool with the two doors that use cases need: `connection` to read, `transaction` to write.

    A third one, `session`, is for what lives as long as a session does. The first two leave nothing of that kind behind,
    so they are spared the statement by which a pool usually wipes a connection clean: another round trip for each use.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", settings: PoolSettings) -> None:
        self._pool = pool
        self._settings = settings

    @staticmethod
    @asynccontextmanager
    async def open(
        dsn: str, application_name: str, settings: PoolSettings | None = None
    ) -> AsyncIterator["Database"]:
        """Open a pool for the length of the context.

        The DSN may carry `?search_path=…`. Raises PostgresUnavailable when the first connection cannot be made.
        """
        chosen = settings or PoolSettings()
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=chosen.min_size,
                max_size=chosen.max_size,
                init=_prepare,
                reset=_nothing_to_wipe,
                timeout=chosen.acquire_timeout.total_seconds(),
                server_settings={
                    "application_name": application_name,
                    "statement_timeout": str(int(chosen.statement_timeout.total_seconds() * 1000)),
                    "timezone": "UTC",
                },
            )
        except AWAY as error:
            raise PostgresUnavailable(str(error)) from error
        assert pool is not None
        try:
            yield Database(pool, chosen)
        finally:
            try:
                async with asyncio.timeout(chosen.acquire_timeout.total_seconds()):
                    await pool.close()
            except TimeoutError:
                pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Borrow a connection without a transaction. Raises PostgresUnavailable.

        An open transaction is rolled back at the end. What outlasts one (session locks, LISTEN, SET) wants `session`.
        """
        try:
            borrowed = await self._pool.acquire(timeout=self._settings.acquire_timeout.total_seconds())
        except AWAY as error:
            raise PostgresUnavailable(str(error) or type(error).__name__) from error
        try:
            yield borrowed
        except _LOST as error:
            with contextlib.suppress(asyncpg.InterfaceError):  # the pool may have taken it back by itself
                borrowed.terminate()  # whatever state it is in, nobody shall meet it again
            raise PostgresUnavailable(str(error) or type(error).__name__) from error
        except _UNWELL as error:
            raise PostgresUnavailable(f"{type(error).__name__}: {error}") from error
        finally:
            # What was to be done is done or has failed already; the pool replaces a connection that it cannot reset.
            with contextlib.suppress(*_LOST):
                await self._pool.release(borrowed)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Borrow a connection inside a transaction: committed on leaving, rolled back on an error.

        Raises PostgresUnavailable, also when the commit's outcome is unknown; use cases make that safe by idempotency keys.
        """
        async with self.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Connection]:
        """Borrow a connection whose locks, listeners and settings end with the context. Raises PostgresUnavailable."""
        async with self.connection() as connection:
            try:
                yield connection
            finally:
                try:
                    await connection.reset(timeout=self._settings.acquire_timeout.total_seconds())
                except BaseException as error:
                    connection.terminate()  # the server then ends the session, and all that it holds
                    if isinstance(error, TimeoutError):
                        raise PostgresUnavailable("it does not answer the end of a session") from error
                    raise

    async def ping(self) -> None:
        """Ask Postgres for an answer. Raises PostgresUnavailable."""
        async with self.connection() as connection:
            await connection.execute("SELECT 1")


async def _nothing_to_wipe(_: Any) -> None:
    """Leave it at what asyncpg does before: forgetting listeners, ending an open transaction."""


async def _prepare(connection: Any) -> None:
    for json_type in ("json", "jsonb"):
        await connection.set_type_codec(
            json_type, schema="pg_catalog", encoder=_encode_json, decoder=orjson.loads, format="text"
        )
    await connection.set_type_codec("uuid", schema="pg_catalog", encoder=str, decoder=str, format="text")


def _encode_json(value: Any) -> str:
    return orjson.dumps(value, default=str).decode()
