"""The scheduler's loop: beat, find what is due, have it generated."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta

from backend.leadership.ports import Transactions
from backend.scheduler.model import Due
from backend.scheduler.ports import Notices, Turns
from backend.scheduler.service import GameClocks
from backend.scheduler.slots import FairSlots
from kit.clock import Clock
from kit.logs import get_logger
from kit.postgres import PostgresUnavailable

_log = get_logger("scheduler")


class TurnScheduler:
    """Finds due turns by the database's clock. It is woken when something may be due; the poll is the truth."""

    name = "turn_scheduler"

    def __init__(
        self,
        transactions: Transactions,
        clocks: GameClocks,
        turns: Turns,
        notices: Notices,
        clock: Clock,
        *,
        poll_interval: timedelta,
        downtime_tolerance: timedelta,
        turns_at_once: int,
    ) -> None:
        self._transactions = transactions
        self._clocks = clocks
        self._turns = turns
        self._notices = notices
        self._clock = clock
        self._poll_interval = poll_interval
        self._tolerance = downtime_tolerance
        self._slots = FairSlots(turns_at_once)
        self._busy: set[str] = set()
        self._beaten_at: float | None = None

    async def run(self, started: Callable[[], None]) -> None:
        """Schedule until cancelled; deadlines missed while the platform was down have moved when `started` is called."""
        async with asyncio.TaskGroup() as group:
            first = True
            while True:
                self._clocks.due_soon.clear()
                try:
                    await self.beat()
                    for due in await self.due():
                        self._busy.add(due.game_id)
                        group.create_task(self._generate(due), name=f"turn-{due.game_id}")
                except PostgresUnavailable as error:
                    _log.warning("schedule_put_off", reason=str(error))
                if first:
                    started()
                    first = False
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_interval.total_seconds()):
                        await self._clocks.due_soon.wait()

    async def beat(self) -> None:
        """Say that the platform is up, a few times within the tolerance; move deadlines if it was not."""
        now = self._clock.monotonic()
        if self._beaten_at is not None and now - self._beaten_at < self._tolerance.total_seconds() / 4:
            return
        async with self._transactions.write() as connection:
            moves = await self._clocks.beat(connection, self._tolerance)
        self._beaten_at = now
        if moves:
            self._notices.moved(moves)

    async def due(self) -> list[Due]:
        """Return what is due and not being generated already."""
        async with self._transactions.read() as connection:
            return [due for due in await self._clocks.list_due(connection) if due.game_id not in self._busy]

    async def _generate(self, due: Due) -> None:
        try:
            async with self._slots.hold(due.owner_id):
                await self._turns.generate(due)
        except PostgresUnavailable as error:
            _log.warning("turn_put_off", game_id=due.game_id, reason=str(error))
        finally:
            self._busy.discard(due.game_id)
            self._clocks.wake()
