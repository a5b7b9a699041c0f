"""The lock that one backend holds, and the connection of its own that it is held on."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import asyncpg

from kit.logs import get_logger
from kit.postgres import AWAY, PostgresUnavailable
from kit.sql import load_queries

_log = get_logger("leadership")
_QUERIES = load_queries(__package__)
_LOCK_KEY = 0x67616C61  # "gala"; the other half of the key is the schema
_BROKEN: tuple[type[Exception], ...] = (*AWAY, asyncpg.PostgresError)
_CONNECT_TIMEOUT_SECONDS = 5.0
_TAKE_OVER_TIMEOUT_SECONDS = 60.0


class Election:
    """Asks for the leader's lock by polling, and looks after it once held.

    Polling, because a waiter inside the blocking call would hold a snapshot and with it the vacuum of the database.
    Losing the connection is not losing leadership: while Postgres restarts nobody can lead. It is lost when the epoch
    row has moved on, which the leader sees when it comes back, and every write at once (see `FencedTransactions`).
    """

    def __init__(self, dsn: str, holder: str, poll_interval: timedelta) -> None:
        """`holder` names this process in the epoch row, for operators."""
        self._dsn = dsn
        self._holder = holder
        self._poll_seconds = poll_interval.total_seconds()
        self._connection: Any = None
        self._holds_lock = False
        self._epoch: int | None = None
        self._lost = asyncio.Event()

    @property
    def epoch(self) -> int:
        """Return the epoch that this process leads; only after `win`."""
        assert self._epoch is not None
        return self._epoch

    @property
    def lost(self) -> bool:
        """Tell whether another backend has taken over."""
        return self._lost.is_set()

    def lose(self) -> None:
        """Note that another backend has taken over; there is no way back for this process."""
        if not self._lost.is_set():
            _log.error("leadership_lost", epoch=self._epoch)
            self._lost.set()

    async def wait_lost(self) -> None:
        """Wait until another backend has taken over."""
        await self._lost.wait()

    async def win(self, on_standby: Callable[[], None]) -> int:
        """Ask until the lock is ours, raise the epoch and return it. `on_standby` is told when another one has it."""
        told = False
        while True:
            try:
                if await self._try_lock():
                    self._epoch = int(await self._ask("take_over", self._holder))
                    _log.info("leadership_taken", epoch=self._epoch, holder=self._holder)
                    return self._epoch
                on_standby()
                if not told:
                    _log.info("leadership_standby")
                    told = True
            except PostgresUnavailable as error:
                _log.warning("leadership_waits_for_postgres", reason=str(error))
            await asyncio.sleep(self._poll_seconds)

    async def keep(self) -> None:
        """Look after the lock until it is lost; run beside everything the leader does."""
        away = False
        while not self.lost:
            await asyncio.sleep(self._poll_seconds)
            try:
                # While it is held on a living connection, asking again would only count it twice.
                if not self._holds_lock and await self._try_lock():
                    _log.info("leadership_lock_regained", epoch=self._epoch)
                in_force = await self._ask("epoch")
            except PostgresUnavailable as error:
                if not away:
                    _log.warning("leadership_connection_lost", reason=str(error))
                away = True
                continue
            away = False
            if in_force != self._epoch:
                self.lose()

    async def close(self) -> None:
        """Give the lock back by ending its connection. Harmless when there is none."""
        connection, self._connection = self._connection, None
        self._holds_lock = False
        if connection is not None:
            try:
                await connection.close(timeout=_CONNECT_TIMEOUT_SECONDS)
            except _BROKEN:
                connection.terminate()

    async def _try_lock(self) -> bool:
        if self._connection is None:
            try:
                self._connection = await asyncpg.connect(
                    self._dsn,
                    timeout=_CONNECT_TIMEOUT_SECONDS,
                    command_timeout=_TAKE_OVER_TIMEOUT_SECONDS,
                    server_settings={"application_name": "backend-leadership"},
                )
            except _BROKEN as error:
                raise PostgresUnavailable(str(error) or type(error).__name__) from error
        self._holds_lock = bool(await self._ask("try_lock", _LOCK_KEY))
        return self._holds_lock

    async def _ask(self, query: str, *arguments: Any) -> Any:
        try:
            return await self._connection.fetchval(_QUERIES[query], *arguments)
        except _BROKEN as error:
            await self.close()
            raise PostgresUnavailable(str(error) or type(error).__name__) from error
