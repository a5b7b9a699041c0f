"""What the platform answers, as frozen values.

Fields that a newer platform adds are kept (`model_extra`, and in `--json` output), never refused.
"""

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field


class Model(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Nothing(Model):
    """An answer whose body does not matter."""


T = TypeVar("T")


class Page(Model, Generic[T]):
    """One page of a list."""

    items: list[T]
    page: int = 1
    page_size: int = 0
    total: int = 0


class Account(Model):
    """The player's own account."""

    user_id: str
    email: str = ""
    display_name: str = ""
    locale: str = "en"
    time_zone: str = "UTC"


class QuietHours(Model):
    """From when to when (`HH:MM`, the account's time zone) no mail but sign-in codes comes."""

    from_: str = Field(alias="from")
    to: str


class Preferences(Model):
    """Of which types the player wants no e-mail, and when none at all."""

    email_off: list[str] = Field(default_factory=list)
    quiet_hours: QuietHours | None = None
    email_types: list[str] = Field(default_factory=list)
    """Of what there are mails that can be switched off."""


class Session(Model):
    """A signed-in device."""

    device_session_id: str
    device_name: str = ""
    created_at: datetime
    last_used_at: datetime | None = None
    current: bool = False


class Revoked(Model):
    """How many sessions were ended."""

    revoked: int = 0


class Person(Model):
    """A user as others see him."""

    user_id: str
    display_name: str = ""


class Schedule(Model):
    """When turns fall: by a cron line in a time zone, or a period after the last one."""

    kind: Literal["cron", "rolling"]
    cron: str | None = None
    time_zone: str | None = None
    period_seconds: int | None = None


class Runtime(Model):
    """How the game's engine is."""

    status: str
    detail: str = ""


class Player(Model):
    """One seat of a game; `user_id` is None where the computer plays."""

    user_id: str | None = None
    display_name: str = ""
    race_name: str = ""
    status: str = ""
    final: bool = False


class Me(Model):
    """How the asking player stands to a game."""

    role: str | None = None
    race_name: str | None = None
    application: Any = None
    final: bool = False


class Game(Model):
    """A game as the lobby shows it."""

    game_id: str
    name: str
    visibility: str = "public"
    state: str
    owner: Person
    min_players: int
    max_players: int
    schedule: Schedule
    early_turn: bool = False
    current_turn: int | None = None
    next_turn_at: datetime | None = None
    engine_version: str = ""
    runtime: Runtime | None = None
    players: list[Player] = Field(default_factory=list)
    me: Me | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


class Application(Model):
    """Somebody's wish to play."""

    application_id: str
    game_id: str = ""
    user: Person | None = None
    race_name: str = ""
    status: str = ""
    created_at: datetime | None = None


class Invite(Model):
    """An invitation to a game."""

    invite_id: str
    game_id: str = ""
    game_name: str = ""
    inviter: Person | None = None
    status: str = ""
    created_at: datetime | None = None


class Orders(Model):
    """A player's order set for one turn, with the engine's verdicts where it was checked."""

    turn: int
    final: bool = False
    stored_at: datetime | None = None
    orders: dict[str, Any] | None = None
    check: dict[str, Any] | None = None


class OrdersCheck(Model):
    """The engine's verdicts on orders that were not stored."""

    turn: int | None = None
    check: dict[str, Any] | None = None


class Turn(Model):
    """A generated turn."""

    turn: int
    generated_at: datetime
    state_hash: str = ""


class Report(Model):
    """What one player may know after one turn: an object (`json`) or a page of text (`text`)."""

    game_id: str
    turn: int
    format: str
    report: dict[str, Any] | str
