"""The table `outbox` in Postgres."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from backend.outbox.model import Attempt, Entry, EntryState, LaneName
from kit.postgres import Connection
from kit.sql import load_queries

_QUERIES = load_queries(__package__)


@dataclass(frozen=True)
class Payload:
    """What the transport hands over for one entry."""

    id: str
    stream: str
    fields: Mapping[str, str]
    over: bool
    """Its time has run out: nobody wants it any more."""


async def insert(
    connection: Connection,
    entry_id: str,
    lane: LaneName,
    kind: str,
    idempotency_key: str,
    stream: str,
    fields: Mapping[str, str],
    *,
    sealed: bool = False,
    expires_at: datetime | None = None,
) -> bool:
    """Add an entry; tell whether its kind and key were new."""
    added = await connection.fetchval(
        _QUERIES["insert"],
        entry_id,
        lane.value,
        kind,
        idempotency_key,
        stream,
        dict(fields),
        sealed,
        expires_at,
    )
    return bool(added)


async def payloads(connection: Connection, ids: Sequence[str]) -> dict[str, Payload]:
    """Return what to hand over, by id."""
    rows = await connection.fetch(_QUERIES["payloads"], list(ids))
    return {row["id"]: Payload(row["id"], row["stream"], row["fields"], row["over"]) for row in rows}


async def find(connection: Connection, entry_id: str, *, lock: bool = False) -> Entry | None:
    """Return one entry; `lock` keeps it from changing until the transaction ends."""
    row = await connection.fetchrow(_QUERIES["lock" if lock else "get"], entry_id)
    return _entry(row) if row is not None else None


async def list_dead(connection: Connection, limit: int, offset: int) -> tuple[list[Entry], int]:
    """Return dead letters of all lanes, newest first, and how many there are in all."""
    rows = await connection.fetch(_QUERIES["list_dead"], limit, offset)
    return [_entry(row) for row in rows], int(await connection.fetchval(_QUERIES["count_dead"]))


async def list_mail(
    connection: Connection, states: Sequence[EntryState], limit: int, offset: int
) -> tuple[list[Entry], int]:
    """Return mails not handed over yet, newest first, and how many there are in all."""
    words = [state.value for state in states]
    rows = await connection.fetch(_QUERIES["list_mail"], words, limit, offset)
    return [_entry(row) for row in rows], int(await connection.fetchval(_QUERIES["count_mail"], words))


async def list_attempts(connection: Connection, entry_id: str) -> list[Attempt]:
    """Return the history of one entry, oldest first."""
    return [Attempt(**row) for row in await connection.fetch(_QUERIES["list_attempts"], entry_id)]


async def rearm(connection: Connection, entry: Entry) -> None:
    """Begin a new series of attempts and wake the worker after the commit."""
    await connection.execute(_QUERIES["rearm"], entry.id)
    await connection.execute(_QUERIES["notify"], entry.lane.value)


async def hasten(connection: Connection, entry: Entry) -> None:
    """Let a waiting entry be tried at once, in a new series, and wake the worker after the commit."""
    await connection.execute(_QUERIES["hasten"], entry.id)
    await connection.execute(_QUERIES["notify"], entry.lane.value)


async def oldest_code_age(connection: Connection) -> timedelta:
    """Return how long the oldest sign-in code has waited for its hand-over."""
    return timedelta(seconds=float(await connection.fetchval(_QUERIES["oldest_code_age"])))


async def forget_contents(connection: Connection, older_than: timedelta, limit: int) -> int:
    """Empty entries handed over long ago; return how many."""
    return len(await connection.fetch(_QUERIES["forget_contents"], older_than, limit))


def _entry(row: Any) -> Entry:
    return Entry(
        id=row["id"],
        lane=LaneName(row["lane"]),
        kind=row["kind"],
        idempotency_key=row["idempotency_key"],
        stream=row["stream"],
        fields=row["fields"],
        sealed=row["sealed"],
        state=EntryState(row["state"]),
        next_at=row["next_at"],
        attempt_no=row["attempt_no"],
        last_error_classification=row["last_error_classification"],
        last_error=row["last_error"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        expires_at=row["expires_at"],
    )
