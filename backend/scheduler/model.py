"""Deadlines as pure functions: from a schedule and instants to the next instant."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError


class ScheduleKind(StrEnum):
    """How deadlines are found."""

    CRON = "cron"
    ROLLING = "rolling"


@dataclass(frozen=True)
class Schedule:
    """When turns fall: at the ticks of a cron line in a time zone, or a period after the turn before."""

    kind: ScheduleKind
    cron: str | None = None
    time_zone: str | None = None
    period: timedelta | None = None


class BadSchedule(ValueError):
    """The text is no cron line, names no time zone, or never ticks."""


class TurnCause(StrEnum):
    """Why a turn is generated now."""

    DEADLINE = "deadline"
    EARLY = "early"  # all who decide marked their orders final
    FORCED = "forced"  # an operator wanted it


class MoveReason(StrEnum):
    """Why a deadline went back."""

    PLATFORM_DOWN = "platform_down"
    ENGINES_AWAY = "engines_away"
    TICK_SKIPPED = "tick_skipped"


@dataclass(frozen=True)
class Clock:
    """Where the time of one game stands."""

    game_id: str
    current_turn: int
    next_turn_at: datetime | None
    """None while it is paused or over."""
    remaining: timedelta | None
    """What was left of the turn when the game was paused."""
    forced: bool
    failures: int
    """Failed tries to generate the coming turn."""
    skip_next_tick: bool


@dataclass(frozen=True)
class Due:
    """A game whose next turn should be generated now."""

    game_id: str
    turn: int
    cause: TurnCause
    owner_id: str
    """Of the game; turns are shared out among owners."""


@dataclass(frozen=True)
class Move:
    """A deadline that went back, and why."""

    game_id: str
    turn: int
    from_at: datetime
    to_at: datetime
    reason: MoveReason


def checked_cron(line: str, time_zone: str) -> None:
    """Raise BadSchedule unless the five-field line ticks in that zone within the coming years."""
    if len(line.split()) != 5:
        raise BadSchedule("a cron line has five fields: minute hour day month weekday")
    try:
        ZoneInfo(time_zone)
    except (KeyError, ValueError, OSError) as error:
        raise BadSchedule(f"{time_zone!r} is no known time zone") from error
    try:
        _tick_after(line, time_zone, datetime(2026, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise BadSchedule(f"{line!r} is no cron line: {error}") from error
    except StopIteration as error:
        raise BadSchedule(f"{line!r} never ticks") from error


def next_tick(schedule: Schedule, after: datetime) -> datetime:
    """Return the first deadline strictly after an instant, in UTC."""
    if schedule.kind is ScheduleKind.ROLLING:
        assert schedule.period is not None
        return after + schedule.period
    assert schedule.cron is not None
    assert schedule.time_zone is not None
    return _tick_after(schedule.cron, schedule.time_zone, after)


def _tick_after(line: str, time_zone: str, after: datetime) -> datetime:
    ticks = CronSim(line, after.astimezone(ZoneInfo(time_zone)))
    for tick in ticks:
        instant = tick.astimezone(UTC)
        # Where clocks go back an hour, the library counts on the wall and may name a tick whose first (and only)
        # passing lies behind us already.
        if instant > after:
            return instant
    raise StopIteration


def first_deadline(schedule: Schedule, allowance: timedelta, started_at: datetime) -> datetime:
    """Return the deadline of turn 1: the usual one, counted from the end of the allowance."""
    return next_tick(schedule, started_at + allowance)


def shown_deadline(
    schedule: Schedule, next_turn_at: datetime | None, skip_next_tick: bool
) -> datetime | None:
    """Return when a turn will really fall: a tick that is marked to be skipped is none."""
    if next_turn_at is None or not skip_next_tick or schedule.kind is ScheduleKind.ROLLING:
        return next_turn_at
    return next_tick(schedule, next_turn_at)


def after_outage(
    schedule: Schedule, next_turn_at: datetime, outage_began_at: datetime, now: datetime
) -> datetime:
    """Return the deadline that gives players back what an outage took from them.

    A deadline that was missed moves by the length of the outage, whatever the schedule; so does a rolling one that was not
    missed. A cron tick still to come stays: players plan by the clock on the wall, and it is still ahead of them.
    """
    missed = next_turn_at <= now
    if missed or schedule.kind is ScheduleKind.ROLLING:
        return next_turn_at + (now - outage_began_at)
    return next_turn_at


def resumed_deadline(schedule: Schedule, remaining: timedelta | None, now: datetime) -> datetime:
    """Return the deadline after a pause: what was left of a rolling turn, or the next tick."""
    if schedule.kind is ScheduleKind.ROLLING and remaining is not None:
        return now + remaining
    return next_tick(schedule, now)
