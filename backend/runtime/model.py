"""Values of the runtime: what should run, what does run, and the operations between the two."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class Desired(StrEnum):
    """What should be."""

    RUNNING = "running"
    STOPPED = "stopped"


class RuntimeStatus(StrEnum):
    """What we believe is; the comparison with the containers corrects it."""

    STARTING = "starting"  # an operation is on its way
    RUNNING = "running"  # a container was ready
    CRASHED = "crashed"  # it ended by itself; it is started again at `restart_at`
    FAILED = "failed"  # it could not be started; tried again at `restart_at`
    STOPPED = "stopped"  # nothing runs, and nothing is wrong


@dataclass(frozen=True)
class RuntimeRecord:
    """The engine of one game."""

    game_id: str
    desired: Desired
    status: RuntimeStatus
    detail: str
    """A short sentence for people; empty when all is well."""
    engine_version: str
    container_ref: str | None
    skip_next_tick: bool
    """The next cron tick is passed over: a forced turn has anticipated it."""
    failures: int
    """Crashes and failed starts in a row; a start that lives for ten minutes ends the row."""
    started_at: datetime | None
    restart_at: datetime | None
    version: int


class OperationKind(StrEnum):
    """What the operation log tells of."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    PATCH = "patch"
    FORCE_NEXT_TURN = "force_next_turn"


class Outcome(StrEnum):
    """How an operation ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABANDONED = "abandoned"  # the process that did it ended before it did


@dataclass(frozen=True)
class Operation:
    """One row of the operation log."""

    operation_id: str
    game_id: str
    kind: OperationKind
    requested_by: str
    """`system`, `scheduler`, `owner` or `operator:<login>`."""
    started_at: datetime
    finished_at: datetime | None
    outcome: Outcome | None
    error: str | None


class PullPolicy(StrEnum):
    """When images are pulled."""

    IF_MISSING = "if_missing"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True)
class ContainerSpec:
    """What one engine is started with."""

    game_id: str
    engine_version: str
    image: str
    token: str = field(repr=False)
    """The engine's secret: one a container, never used again."""


@dataclass(frozen=True)
class Endpoint:
    """Where an engine answers, and what it wants to hear."""

    base_url: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class Seen:
    """One container with our labels, as the adapter sees it now."""

    ref: str
    """The adapter's own name for it: a container id, or the process's."""
    game_id: str
    engine_version: str
    running: bool
    endpoint: Endpoint | None
    """None unless it runs."""
    exit_code: int | None = None
    detail: str = ""


@dataclass(frozen=True)
class Death:
    """A container of ours ended; perhaps because we stopped it."""

    ref: str
    game_id: str


RESTART_FIRST = timedelta(seconds=10)
RESTART_CEILING = timedelta(seconds=300)
STABLE_AFTER = timedelta(minutes=10)


def restart_wait(failures: int) -> timedelta:
    """Return how long to wait before the start that follows `failures` in a row: 10 s, doubling to 300 s."""
    return min(RESTART_CEILING, RESTART_FIRST * 2.0 ** min(max(failures, 1) - 1, 10))


def failures_after(record: RuntimeRecord, now: datetime) -> int:
    """Return the length of the row of failures that one more makes; ten good minutes begin a new one."""
    stable = (
        record.status is RuntimeStatus.RUNNING
        and record.started_at is not None
        and now - record.started_at >= STABLE_AFTER
    )
    return 1 if stable else record.failures + 1
