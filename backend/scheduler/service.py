"""Clocks of games as other rooms use them: started, moved on, stopped and resumed inside their transactions."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from backend.scheduler.model import (
    Clock,
    Due,
    Move,
    MoveReason,
    Schedule,
    ScheduleKind,
    after_outage,
    first_deadline,
    next_tick,
    resumed_deadline,
    shown_deadline,
)
from backend.scheduler.storage import ClockStorage
from kit.postgres import Connection


class GameClocks:
    """The use cases of clocks. None opens a transaction; `wake` is to be called after the commit of whatever may be due."""

    def __init__(self, storage: ClockStorage) -> None:
        self._storage = storage
        self.due_soon = asyncio.Event()
        """Set by `wake`; the worker clears it before it looks."""

    def wake(self) -> None:
        """Have the worker look now rather than at its next poll."""
        self.due_soon.set()

    async def begin(
        self,
        connection: Connection,
        game_id: str,
        schedule: Schedule,
        allowance: timedelta,
        started_at: datetime,
    ) -> datetime:
        """Start the clock of a game at turn 0; return the deadline of turn 1."""
        deadline = first_deadline(schedule, allowance, started_at)
        await self._storage.insert(connection, game_id, 0, deadline)
        return deadline

    async def find(self, connection: Connection, game_id: str) -> Clock | None:
        """Return a clock, or None before the start."""
        return await self._storage.find(connection, game_id)

    async def list(self, connection: Connection, game_ids: Sequence[str]) -> Mapping[str, Clock]:
        """Return the clocks of those games that have one."""
        return await self._storage.list(connection, game_ids)

    async def lock(self, connection: Connection, game_id: str) -> Clock | None:
        """Return a clock that nobody else can move, nor file orders for, until the transaction ends."""
        return await self._storage.lock(connection, game_id)

    async def share(self, connection: Connection, game_id: str) -> Clock | None:
        """Return a clock that stands still until the transaction ends; many may hold it so."""
        return await self._storage.share(connection, game_id)

    async def advance(
        self,
        connection: Connection,
        clock: Clock,
        schedule: Schedule,
        turn: int,
        now: datetime,
        *,
        over: bool,
    ) -> datetime | None:
        """Set the clock after `turn` was published; return the deadline that players see, None when the game is over.

        A turn between two cron ticks (early or forced) leaves the tick where it was.
        """
        following = None if over else next_tick(schedule, now)
        await self._storage.advance(connection, clock.game_id, turn, following)
        return shown_deadline(schedule, following, clock.skip_next_tick)

    async def stop(self, connection: Connection, game_id: str) -> None:
        """Stop the clock of a paused game."""
        await self._storage.stop(connection, game_id)

    async def resume(
        self, connection: Connection, game_id: str, schedule: Schedule, now: datetime
    ) -> datetime | None:
        """Let the clock of a resumed game run; return the new deadline."""
        clock = await self._storage.lock(connection, game_id)
        if clock is None:
            return None
        deadline = resumed_deadline(schedule, clock.remaining, now)
        await self._storage.restart(connection, game_id, deadline)
        return deadline

    async def force(self, connection: Connection, game_id: str) -> None:
        """Make the next turn due now."""
        await self._storage.force(connection, game_id)

    async def skip_tick(
        self, connection: Connection, clock: Clock, schedule: Schedule, now: datetime
    ) -> Move | None:
        """Pass over a cron tick that a forced turn has anticipated; return the move, None where none was due."""
        if clock.next_turn_at is None or schedule.kind is not ScheduleKind.CRON:
            return None
        move = Move(
            clock.game_id,
            clock.current_turn + 1,
            clock.next_turn_at,
            next_tick(schedule, now),
            MoveReason.TICK_SKIPPED,
        )
        await self._storage.move(connection, move)
        return move

    async def note_failure(self, connection: Connection, game_id: str, first_wait: timedelta) -> int:
        """Count a failed try of the coming turn and wait before the next, longer each time; return how many there are."""
        return await self._storage.note_failure(connection, game_id, first_wait)

    async def wait(self, connection: Connection, game_id: str, wait: timedelta) -> None:
        """Wait before the next try, for an engine that is on its way; the deadline stays and no failure is counted."""
        await self._storage.put_off(connection, game_id, wait)

    async def put_off(
        self, connection: Connection, game_id: str, wait: timedelta, now: datetime
    ) -> Move | None:
        """Wait for engines that are away: the next try comes after `wait`, and a deadline that has passed moves with it."""
        await self._storage.put_off(connection, game_id, wait)
        clock = await self._storage.lock(connection, game_id)
        if clock is None or clock.next_turn_at is None or clock.next_turn_at > now:
            return None
        move = Move(game_id, clock.current_turn + 1, clock.next_turn_at, now + wait, MoveReason.ENGINES_AWAY)
        await self._storage.move(connection, move)
        return move

    async def list_due(self, connection: Connection, game_id: str | None = None) -> Sequence[Due]:
        """Return what is due now on the database's clock."""
        return await self._storage.list_due(connection, game_id)

    async def list_moves(self, connection: Connection, game_id: str) -> Sequence[Move]:
        """Return the latest moves of a game's deadlines, newest first."""
        return await self._storage.list_moves(connection, game_id)

    async def beat(self, connection: Connection, tolerance: timedelta) -> Sequence[Move]:
        """Note that the platform is up; after an outage longer than `tolerance` give players their time back.

        Returns the deadlines that moved.
        """
        now, seen_at = await self._storage.beat(connection)
        if seen_at is None or now - seen_at <= tolerance:
            return []
        moves = []
        for game_id, turn, deadline, schedule in await self._storage.lock_running(connection):
            moved = after_outage(schedule, deadline, seen_at, now)
            # A deadline that was met, and only not acted upon, when the platform went down is simply late.
            if moved > deadline > seen_at:
                move = Move(game_id, turn + 1, deadline, moved, MoveReason.PLATFORM_DOWN)
                await self._storage.move(connection, move)
                moves.append(move)
        return moves
