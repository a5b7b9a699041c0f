"""What has to be done so that the containers become what the records want. Pure: no clock, no I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from backend.runtime.model import Desired, RuntimeRecord, RuntimeStatus, Seen


@dataclass(frozen=True)
class Start:
    """Nothing runs and something should."""

    game_id: str


@dataclass(frozen=True)
class Stop:
    """Something runs and nothing should."""

    game_id: str
    ref: str


@dataclass(frozen=True)
class NoteCrash:
    """What we believed to run does not: wait, then start. `ref` is what is left of it, if anything."""

    game_id: str
    ref: str | None
    detail: str


@dataclass(frozen=True)
class Adopt:
    """It runs, and the record does not know: a backend died between the start and the note of it."""

    game_id: str
    ref: str


@dataclass(frozen=True)
class NoteStopped:
    """Nothing runs, as wanted, and the record does not know."""

    game_id: str


@dataclass(frozen=True)
class Remove:
    """A leftover: a dead container, a second one of the same game, or one of no game that we know."""

    game_id: str
    ref: str


Action = Start | Stop | NoteCrash | Adopt | NoteStopped | Remove


def compare(
    records: Mapping[str, RuntimeRecord], seen: Sequence[Seen], now: datetime, *, reap_unknown: bool
) -> list[Action]:
    """Return the actions, removals first, in an order that may be performed one after the other.

    `reap_unknown`: containers of games that no record names are ours alone (a stack label tells them apart, or they are our
    own children) and may be removed; otherwise they are left, since they may be another installation's.
    """
    by_game: dict[str, list[Seen]] = {}
    for container in seen:
        by_game.setdefault(container.game_id, []).append(container)
    actions: list[Action] = []
    for game_id in sorted(by_game.keys() - records.keys()):
        if reap_unknown:
            actions += [Remove(game_id, container.ref) for container in by_game[game_id]]
    for game_id, record in sorted(records.items()):
        actions += _of_game(record, by_game.get(game_id, []), now)
    return actions


def _of_game(record: RuntimeRecord, seen: Sequence[Seen], now: datetime) -> list[Action]:
    kept = _kept(record, seen)
    actions: list[Action] = [
        Remove(record.game_id, other.ref) for other in _others(seen, kept) if not _last_words(record, other)
    ]
    if record.desired is Desired.STOPPED:
        main = _towards_stopped(record, kept)
    elif kept is not None:
        known = record.status is RuntimeStatus.RUNNING and record.container_ref == kept.ref
        main = None if known else Adopt(record.game_id, kept.ref)
    else:
        main = _towards_running(record, seen, now)
    return actions if main is None else [*actions, main]


def _towards_stopped(record: RuntimeRecord, kept: Seen | None) -> Action | None:
    if kept is not None:
        return Stop(record.game_id, kept.ref)
    return None if record.status is RuntimeStatus.STOPPED else NoteStopped(record.game_id)


def _towards_running(record: RuntimeRecord, seen: Sequence[Seen], now: datetime) -> Action | None:
    match record.status:
        case RuntimeStatus.RUNNING:
            dead = next((other for other in seen if other.ref == record.container_ref), None)
            detail = f"exit code {dead.exit_code}" if dead and dead.exit_code is not None else "gone"
            return NoteCrash(record.game_id, dead.ref if dead else None, detail)
        case RuntimeStatus.CRASHED | RuntimeStatus.FAILED:
            waiting = record.restart_at is not None and record.restart_at > now
            return None if waiting else Start(record.game_id)
        case RuntimeStatus.STARTING | RuntimeStatus.STOPPED:
            return Start(record.game_id)


def _kept(record: RuntimeRecord, seen: Iterable[Seen]) -> Seen | None:
    """Return the running container to keep: the recorded one if it runs, else any one of the right version."""
    running = sorted(
        (c for c in seen if c.running and c.engine_version == record.engine_version), key=lambda c: c.ref
    )
    return next((c for c in running if c.ref == record.container_ref), running[0] if running else None)


def _others(seen: Iterable[Seen], kept: Seen | None) -> list[Seen]:
    return [container for container in seen if kept is None or container.ref != kept.ref]


def _last_words(record: RuntimeRecord, container: Seen) -> bool:
    """Tell whether a dead container is the one just crashed: NoteCrash reads its end and removes it."""
    return (
        record.desired is Desired.RUNNING
        and record.status is RuntimeStatus.RUNNING
        and not container.running
        and container.ref == record.container_ref
    )
