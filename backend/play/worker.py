"""The worker that starts games in `starting`."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta

from backend.play.starting import GameStarter
from kit.logs import get_logger
from kit.postgres import PostgresUnavailable

_log = get_logger("game_start_worker")


class StartQueue:
    """Wakes the worker; the table is the queue."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()

    def wake(self) -> None:
        """Look for games to start now."""
        self.woken.set()


class GameStartWorker:
    """Starts every game in `starting`, side by side; the runtime bounds how many engines boot at once."""

    name = "game_start_worker"

    def __init__(
        self, starter: GameStarter, queue: StartQueue, interval: timedelta = timedelta(seconds=5)
    ) -> None:
        self._starter = starter
        self._queue = queue
        self._interval = interval
        self._busy: set[str] = set()

    async def run(self, started: Callable[[], None]) -> None:
        """Look when woken and at every interval, until cancelled."""
        started()
        async with asyncio.TaskGroup() as group:
            while True:
                self._queue.woken.clear()
                try:
                    waiting = await self._starter.list_starting()
                except PostgresUnavailable as error:
                    _log.warning("starts_put_off", reason=str(error))
                    waiting = []
                for game_id in waiting:
                    if game_id not in self._busy:
                        self._busy.add(game_id)
                        group.create_task(self._start(game_id), name=f"start-{game_id}")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._interval.total_seconds()):
                        await self._queue.woken.wait()

    async def _start(self, game_id: str) -> None:
        try:
            await self._starter.start(game_id)
        except PostgresUnavailable as error:
            _log.warning("start_put_off", game_id=game_id, reason=str(error))
        finally:
            self._busy.discard(game_id)
