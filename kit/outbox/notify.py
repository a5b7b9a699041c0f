"""`NOTIFY` as a hint: workers look at their tables at once; the poll stays the truth."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from kit.backoff import Backoff
from kit.logs import get_logger
from kit.postgres import Connection, Database, PostgresUnavailable
from kit.tasks import raise_if_cancelled

_log = get_logger("outbox")
_ALIVE_SECONDS = 5.0


class NotifyWaker:
    """Listens on channels and calls what belongs to each; one connection a process.

    Error policy: a lost connection is made again with backoff; whatever was announced meanwhile is found by the poll, and
    all are woken once on the return.
    """

    def __init__(
        self, database: Database, wakes: Mapping[str, Callable[[], None]], name: str = "notify_waker"
    ) -> None:
        """`wakes` maps a channel to what is called when it is notified."""
        self._database = database
        self._wakes = dict(wakes)
        self._name = name
        self._backoff = Backoff(timedelta(milliseconds=200), timedelta(seconds=5))

    @property
    def name(self) -> str:
        """Return the worker's name for logs."""
        return self._name

    async def run(self, started: Callable[[], None]) -> None:
        """Listen until cancelled."""
        started()
        failures = 0
        while True:
            try:
                async with self._database.session() as connection:
                    await self._listen(connection)
            except PostgresUnavailable as error:
                raise_if_cancelled()
                if failures == 0:
                    _log.warning("notify_waker_paused", reason=str(error))
                await asyncio.sleep(self._backoff.wait_seconds(failures))
                failures += 1

    async def _listen(self, connection: Connection) -> None:
        for channel in self._wakes:
            await connection.add_listener(channel, self._notified)
        try:
            for wake in self._wakes.values():
                wake()
            while True:
                await asyncio.sleep(_ALIVE_SECONDS)
                await connection.execute("SELECT 1")
        finally:
            for channel in self._wakes:
                await connection.remove_listener(channel, self._notified)

    def _notified(self, _connection: Any, _pid: int, channel: str, _payload: object) -> None:
        self._wakes[channel]()
