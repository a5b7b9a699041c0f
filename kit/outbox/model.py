"""Values of the outbox: what a lane is, what a claim holds, how a delivery can end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import Field

from kit.duration import Duration
from kit.settings import Group


@dataclass(frozen=True)
class Lane:
    """One outbox table and the words it uses for its states."""

    table: str
    """Name of the entries' table; `<table>_attempts` beside it keeps the history."""
    waiting: tuple[str, ...]
    """States from which an entry may be claimed once `next_at` has come."""
    leased: str
    """State while it is claimed; equal to a waiting state in lanes that show no such state."""
    delivered: str
    retry: str
    dead: str
    channel: str = ""
    """`NOTIFY` channel that wakes the worker early; empty: poll only."""
    partition: str = ""
    """Value of column `lane`: several lanes may share one table, and every row belongs to exactly one."""


class LaneSettings(Group):
    """Pace and limits of one worker."""

    worker_interval: Duration = Field(
        timedelta(seconds=2), description="longest wait between two looks at the table"
    )
    max_attempts: int = Field(8, ge=1, description="attempts before an entry becomes a dead letter")
    batch: int = Field(100, ge=1, le=1000, description="entries claimed at once")
    lease: Duration = Field(
        timedelta(seconds=60), description="how long a claim lasts without being completed"
    )


@dataclass(frozen=True)
class Claim:
    """One entry, ours until `lease_seconds` have passed on the database's clock."""

    id: str
    token: str
    attempt_no: int
    """Number of this attempt over the whole life of the entry, from 1."""
    series_attempt: int
    """Number of this attempt since the entry was last armed, from 1; the ladder and the limit count these."""
    created_at: datetime


@dataclass(frozen=True)
class Delivered:
    """It is done; `detail` (a stream id, an SMTP reply) is kept in the attempts history, in its column `error`."""

    claim: Claim
    detail: str = ""


@dataclass(frozen=True)
class Retry:
    """This very entry was refused for now."""

    claim: Claim
    classification: str
    """A constant snake_case word for `last_error_classification`."""
    error: str = ""
    after: timedelta | None = None
    """Wait this long instead of the ladder's step."""
    unknown: bool = False
    """True where nobody can know whether it was delivered."""


@dataclass(frozen=True)
class Dead:
    """This very entry can never be delivered, or must not be tried again."""

    claim: Claim
    classification: str
    error: str = ""
    unknown: bool = False
    """True where nobody can know whether this last attempt delivered it."""


Outcome = Delivered | Retry | Dead


class TransportAway(Exception):
    """The transport cannot be reached at all; claims not yet answered go back and no attempt is counted.

    `classification` is a constant snake_case word for logs and metrics.
    """

    def __init__(self, classification: str, error: str = "") -> None:
        super().__init__(f"{classification}: {error}" if error else classification)
        self.classification = classification


@dataclass(frozen=True)
class Completion:
    """What storage is told about one claim."""

    id: str
    token: str
    state: str
    outcome: str
    """`delivered`, `refused`, `unknown` or `dead` in the attempts history."""
    classification: str | None
    error: str | None
    """What the other side said: a failure's text, or a delivery's detail."""
    wait: timedelta
    final: bool


Completions = Sequence[Completion]
