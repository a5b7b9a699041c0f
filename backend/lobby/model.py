"""Values of the lobby: games, their states as one closed table, memberships, applications, invites."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from backend.scheduler.model import Schedule


class GameState(StrEnum):
    """Where a game stands; `paused` and `running` may alternate, `finished` and `cancelled` are the end."""

    DRAFT = "draft"
    ENROLLMENT_OPEN = "enrollment_open"
    READY_TO_START = "ready_to_start"
    STARTING = "starting"
    START_FAILED = "start_failed"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"

    @property
    def enrolls(self) -> bool:
        """Tell whether seats may change hands: a game that is ready may still lose a player and take another."""
        return self in {GameState.ENROLLMENT_OPEN, GameState.READY_TO_START}

    @property
    def over(self) -> bool:
        """Tell whether nothing will ever change again."""
        return self in {GameState.FINISHED, GameState.CANCELLED}


class GameAct(StrEnum):
    """What can be done to a game as a whole."""

    OPEN = "open"
    CLOSE_ENROLLMENT = "close_enrollment"
    START = "start"
    CONFIRM_START = "confirm_start"
    FAIL_START = "fail_start"
    MAKE_READY = "make_ready"
    PAUSE = "pause"
    RESUME = "resume"
    FINISH = "finish"
    CANCEL = "cancel"


_S, _A = GameState, GameAct

TRANSITIONS: Mapping[tuple[GameState, GameAct], GameState] = {
    (_S.DRAFT, _A.OPEN): _S.ENROLLMENT_OPEN,
    (_S.ENROLLMENT_OPEN, _A.CLOSE_ENROLLMENT): _S.READY_TO_START,
    (_S.READY_TO_START, _A.START): _S.STARTING,
    (_S.STARTING, _A.CONFIRM_START): _S.RUNNING,
    (_S.STARTING, _A.FAIL_START): _S.START_FAILED,
    (_S.START_FAILED, _A.MAKE_READY): _S.READY_TO_START,
    (_S.RUNNING, _A.PAUSE): _S.PAUSED,
    (_S.PAUSED, _A.RESUME): _S.RUNNING,
    (_S.RUNNING, _A.FINISH): _S.FINISHED,
    (_S.PAUSED, _A.FINISH): _S.FINISHED,
    **{
        (before, _A.CANCEL): _S.CANCELLED
        for before in (_S.DRAFT, _S.ENROLLMENT_OPEN, _S.READY_TO_START, _S.STARTING, _S.START_FAILED)
    },
}
"""Every move there is; what is not listed is refused."""


def next_state(state: GameState, act: GameAct) -> GameState | None:
    """Return where `act` leads from `state`, or None when it is not possible there."""
    return TRANSITIONS.get((state, act))


class Visibility(StrEnum):
    """Who may know of a game."""

    PUBLIC = "public"
    INVITE = "invite"


class MissedTurnPolicy(StrEnum):
    """What the engine is told of a player who filed nothing."""

    IDLE = "idle"  # that nothing came: its own limits for idle races count
    HOLD = "hold"  # an empty order set: the race stands still and is never dropped for it


class MemberStatus(StrEnum):
    """Who stands behind a race, or why nobody does any more; the engine's words."""

    ACTIVE = "active"
    COMPUTER = "computer"
    IDLE = "idle"
    ELIMINATED = "eliminated"
    QUIT = "quit"


@dataclass(frozen=True)
class Member:
    """One seat that is taken, by a person or (`user_id` None) by the computer."""

    player_id: str
    user_id: str | None
    race_name: str
    computer_level: int | None
    status: MemberStatus
    seat: int

    @property
    def decides(self) -> bool:
        """Tell whether an early turn waits for this player's *final*."""
        return self.user_id is not None and self.status is MemberStatus.ACTIVE


@dataclass(frozen=True)
class GameSettings:
    """What the owner chose when the game was made."""

    name: str
    visibility: Visibility
    min_players: int
    max_players: int
    start_gap_hours: int
    start_gap_players: int
    enrollment_ends_at: datetime | None
    schedule: Schedule
    early_turn: bool
    missed_turn_policy: MissedTurnPolicy
    first_turn_allowance_hours: int
    engine_version: str
    engine_options: Mapping[str, Any]
    bots: int


@dataclass(frozen=True)
class Game:
    """A game with the people in it."""

    game_id: str
    owner_id: str
    settings: GameSettings
    state: GameState
    state_reason: str
    seed: str = field(repr=False)
    gap_ends_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    members: tuple[Member, ...]
    """In the order of their seats."""
    version: int
    """Grows with each change; the cache keeps the highest."""

    def member_of(self, user_id: str) -> Member | None:
        """Return the seat of a person."""
        return next((member for member in self.members if member.user_id == user_id), None)

    @property
    def people(self) -> list[str]:
        """Return the user ids of all people in it, by seat."""
        return [member.user_id for member in self.members if member.user_id is not None]

    @property
    def seats_max(self) -> int:
        """Return how many people it takes now: during the start gap some more than `max_players`."""
        extra = self.settings.start_gap_players if self.gap_ends_at is not None else 0
        return self.settings.max_players + extra

    @property
    def full(self) -> bool:
        """Tell whether nobody else can be seated."""
        return len(self.people) >= self.seats_max

    @property
    def enough_players(self) -> bool:
        """Tell whether it may start."""
        return len(self.people) >= self.settings.min_players

    @property
    def gap_begins(self) -> bool:
        """Tell whether the last regular seat was just taken in a game that then waits for latecomers."""
        chosen = self.settings
        return (
            self.gap_ends_at is None
            and self.state is GameState.ENROLLMENT_OPEN
            and chosen.start_gap_hours > 0
            and len(self.people) >= chosen.max_players
        )


class ApplicationStatus(StrEnum):
    """States of an application; all but `pending` are final."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Application:
    """Somebody's wish to play, under a race name."""

    application_id: str
    game_id: str
    user_id: str
    race_name: str
    status: ApplicationStatus
    created_at: datetime


class InviteStatus(StrEnum):
    """States of an invite; all but `open` are final."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"


@dataclass(frozen=True)
class Invite:
    """An offer of a seat, to a known person or to an address that has no account yet (never both)."""

    invite_id: str
    game_id: str
    inviter_id: str
    invitee_id: str | None
    invitee_email: str | None
    status: InviteStatus
    created_at: datetime


class EnrollmentEnd(StrEnum):
    """What the end of enrolment does with a game."""

    START = "start"
    CANCEL = "cancel"


def enrollment_end(game: Game, now: datetime) -> EnrollmentEnd | None:
    """Tell what time has decided for a game that enrolls: start it, give it up, or nothing yet.

    It ends when `enrollment_ends_at` or the start gap has passed, or when the gap's seats are taken too.
    """
    if not game.state.enrolls:
        return None
    ends_at = game.settings.enrollment_ends_at
    gap_over = game.gap_ends_at is not None and (game.gap_ends_at <= now or game.full)
    if not gap_over and (ends_at is None or ends_at > now):
        return None
    return EnrollmentEnd.START if game.enough_players else EnrollmentEnd.CANCEL
