"""Clocks in Postgres. Every method works on the connection it is given."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from backend.scheduler.model import Clock, Due, Move, MoveReason, Schedule, ScheduleKind, TurnCause
from kit.ids import NewId
from kit.postgres import Connection
from kit.sql import load_queries


class ClockStorage:
    """Rows of `game_clocks`, `deadline_moves` and the heartbeat."""

    def __init__(self, new_id: NewId) -> None:
        self._new_id = new_id
        self._queries = load_queries(__package__)

    async def insert(self, connection: Connection, game_id: str, turn: int, next_turn_at: datetime) -> None:
        """Start the clock of a game."""
        await connection.execute(self._queries["insert_clock"], game_id, turn, next_turn_at)

    async def find(self, connection: Connection, game_id: str) -> Clock | None:
        """Return a clock, or None before the start."""
        row = await connection.fetchrow(self._queries["get_clock"], game_id)
        return _clock(row) if row else None

    async def lock(self, connection: Connection, game_id: str) -> Clock | None:
        """Return a clock that nobody else can move, nor file orders for, until the transaction ends."""
        row = await connection.fetchrow(self._queries["lock_clock"], game_id)
        return _clock(row) if row else None

    async def share(self, connection: Connection, game_id: str) -> Clock | None:
        """Return a clock that stands still until the transaction ends; many may hold it so."""
        row = await connection.fetchrow(self._queries["share_clock"], game_id)
        return _clock(row) if row else None

    async def list(self, connection: Connection, game_ids: Sequence[str]) -> Mapping[str, Clock]:
        """Return the clocks of those games that have one."""
        rows = await connection.fetch(self._queries["list_clocks"], list(game_ids))
        return {row["game_id"]: _clock(row) for row in rows}

    async def lock_running(self, connection: Connection) -> Sequence[tuple[str, int, datetime, Schedule]]:
        """Return (game, current turn, deadline, schedule) of all running games whose next turn was not begun, locked."""
        rows = await connection.fetch(self._queries["list_running_clocks"])
        return [(r["game_id"], r["current_turn"], r["next_turn_at"], schedule_of(r)) for r in rows]

    async def advance(
        self, connection: Connection, game_id: str, turn: int, next_turn_at: datetime | None
    ) -> None:
        """Set the clock after the publication of `turn`."""
        await connection.execute(self._queries["advance_clock"], game_id, turn, next_turn_at)

    async def move(self, connection: Connection, move: Move) -> None:
        """Put a deadline back and record it."""
        await connection.execute(self._queries["move_deadline"], move.game_id, move.to_at)
        await connection.execute(
            self._queries["insert_move"],
            self._new_id(),
            move.game_id,
            move.turn,
            move.from_at,
            move.to_at,
            move.reason,
        )

    async def list_moves(self, connection: Connection, game_id: str) -> Sequence[Move]:
        """Return the latest moves of a game's deadlines, newest first."""
        rows = await connection.fetch(self._queries["list_moves"], game_id)
        return [
            Move(r["game_id"], r["turn"], r["from_at"], r["to_at"], MoveReason(r["reason"])) for r in rows
        ]

    async def stop(self, connection: Connection, game_id: str) -> None:
        """Stop a clock, keeping what is left of the turn. Harmless when it stands."""
        await connection.execute(self._queries["stop_clock"], game_id)

    async def restart(self, connection: Connection, game_id: str, next_turn_at: datetime) -> None:
        """Let a clock run again; failures of the coming turn are forgotten."""
        await connection.execute(self._queries["restart_clock"], game_id, next_turn_at)

    async def force(self, connection: Connection, game_id: str) -> None:
        """Make the next turn due now."""
        await connection.execute(self._queries["force_turn"], game_id)

    async def note_failure(self, connection: Connection, game_id: str, first_wait: timedelta) -> int:
        """Count a failed try and wait before the next, twice as long each time; return how many there are for this turn."""
        failures: int = await connection.fetchval(self._queries["note_failure"], game_id, first_wait)
        return failures

    async def put_off(self, connection: Connection, game_id: str, wait: timedelta) -> None:
        """Wait before the next try, without counting a failure."""
        await connection.execute(self._queries["put_off"], game_id, wait)

    async def list_due(self, connection: Connection, game_id: str | None = None) -> Sequence[Due]:
        """Return what is due now on the database's clock, oldest deadline first."""
        rows = await connection.fetch(self._queries["list_due"], game_id)
        return [Due(r["game_id"], r["turn"], TurnCause(r["cause"]), r["owner_id"]) for r in rows]

    async def beat(self, connection: Connection) -> tuple[datetime, datetime | None]:
        """Note that the scheduler looked; return the database's now and when it looked before."""
        row = await connection.fetchrow(self._queries["beat"])
        assert row is not None
        return row["now"], row["seen_at"]


def schedule_of(row: Any) -> Schedule:
    """Read the four schedule columns of a row of `games`."""
    return Schedule(ScheduleKind(row["schedule_kind"]), row["cron"], row["time_zone"], row["period"])


def _clock(row: Any) -> Clock:
    return Clock(
        row["game_id"],
        row["current_turn"],
        row["next_turn_at"],
        row["remaining"],
        row["forced"],
        row["failures"],
        row["skip_next_tick"],
    )
