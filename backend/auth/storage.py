"""Challenges, device sessions and links in Postgres."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backend.auth.model import Challenge, ChallengeState, DeviceSession, SessionStatus
from backend.push.model import InvalidationReason
from kit.postgres import Connection
from kit.sql import load_queries

_QUERIES = load_queries(__package__)
OPEN_CHALLENGES_MAX = 3
"""Codes for one address that may be on their way at once, each asked for from another household."""
SIGN_OUT_EVERYWHERE = "sign_out_everywhere"


@dataclass(frozen=True)
class Sends:
    """Codes sent lately, and since when."""

    by_address: int
    address_oldest: datetime | None
    by_ip: int
    ip_oldest: datetime | None


async def sends_since(connection: Connection, email: str, ip: str, since: datetime) -> Sends:
    """Count what was sent to an address and asked from an IP; others that send to either wait until we have committed."""
    await connection.execute(_QUERIES["serialise_sends"], email)
    await connection.execute(_QUERIES["serialise_sends_from"], ip)
    row = await connection.fetchrow(_QUERIES["sends_since"], email, ip, since)
    assert row is not None
    return Sends(**row)


async def replace_challenge(
    connection: Connection,
    challenge_id: str,
    email: str,
    locale: str,
    ip: str,
    code_hash: bytes,
    tries: int,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Open a challenge for an address in the place of the one that this IP may have open, or of the oldest of many."""
    await connection.execute(_QUERIES["replace_open"], email, ip, OPEN_CHALLENGES_MAX)
    await connection.execute(
        _QUERIES["insert_challenge"], challenge_id, email, locale, ip, code_hash, tries, now, expires_at
    )


async def lock_challenge(connection: Connection, challenge_id: str) -> Challenge | None:
    """Return a challenge; others that try codes for it wait until we have committed."""
    row = await connection.fetchrow(_QUERIES["lock_challenge"], challenge_id)
    if row is None:
        return None
    return Challenge(**{**row, "state": ChallengeState(row["state"])})


async def spend_try(connection: Connection, challenge_id: str) -> int:
    """Count a wrong code; return how many tries are left."""
    return int(await connection.fetchval(_QUERIES["spend_try"], challenge_id))


async def confirm_challenge(connection: Connection, challenge_id: str, device_session_id: str) -> None:
    """Note which session a challenge made."""
    await connection.execute(_QUERIES["confirm_challenge"], challenge_id, device_session_id)


async def forget_challenges(connection: Connection, before: datetime, limit: int) -> int:
    """Delete challenges made before an instant, oldest first; return how many."""
    return len(await connection.fetch(_QUERIES["forget_challenges"], before, limit))


async def list_sessions(connection: Connection) -> list[DeviceSession]:
    """Return every device session."""
    return _sessions(await connection.fetch(_QUERIES["list_sessions"]))


async def list_sessions_of(connection: Connection, user_id: str) -> list[DeviceSession]:
    """Return every device session of a user, newest first."""
    return _sessions(await connection.fetch(_QUERIES["list_sessions_of"], user_id))


async def get_session(connection: Connection, device_session_id: str) -> DeviceSession:
    """Return a session that must be there."""
    row = await connection.fetchrow(_QUERIES["get_session"], device_session_id)
    assert row is not None
    return _session(row)


async def insert_session(
    connection: Connection,
    device_session_id: str,
    user_id: str,
    public_key: bytes,
    device_name: str,
    country: str | None,
    now: datetime,
) -> DeviceSession:
    """Begin a session."""
    row = await connection.fetchrow(
        _QUERIES["insert_session"], device_session_id, user_id, public_key, device_name, country, now
    )
    assert row is not None
    return _session(row)


async def end_surplus(
    connection: Connection, user_id: str, keep: int, now: datetime, reason: InvalidationReason
) -> list[DeviceSession]:
    """End all but the most recently used sessions of a user; return those ended."""
    return _sessions(await connection.fetch(_QUERIES["end_surplus"], user_id, keep, now, reason.value))


async def end_session(
    connection: Connection, device_session_id: str, now: datetime, reason: InvalidationReason
) -> DeviceSession | None:
    """End one session; None where it is over already."""
    row = await connection.fetchrow(_QUERIES["end_session"], device_session_id, now, reason.value)
    return _session(row) if row is not None else None


async def end_all(
    connection: Connection, user_id: str, now: datetime, reason: InvalidationReason
) -> list[DeviceSession]:
    """End every active session of a user; return those ended."""
    return _sessions(await connection.fetch(_QUERIES["end_all"], user_id, now, reason.value))


async def end_idle(
    connection: Connection, unused_since: datetime, now: datetime, limit: int
) -> list[DeviceSession]:
    """End sessions last used before an instant; return those ended."""
    reason = InvalidationReason.EXPIRED.value
    return _sessions(await connection.fetch(_QUERIES["end_idle"], unused_since, now, reason, limit))


async def forget_sessions(connection: Connection, before: datetime, limit: int) -> list[str]:
    """Delete sessions that ended before an instant, oldest first; return their ids."""
    rows = await connection.fetch(_QUERIES["forget_sessions"], before, limit)
    return [row["device_session_id"] for row in rows]


async def rename_session(
    connection: Connection, device_session_id: str, user_id: str, name: str
) -> DeviceSession | None:
    """Rename an active session of a user; None where there is none."""
    row = await connection.fetchrow(_QUERIES["rename_session"], device_session_id, user_id, name)
    return _session(row) if row is not None else None


async def note_use(connection: Connection, used_at: Mapping[str, datetime]) -> list[DeviceSession]:
    """Note when sessions were last used; return those changed."""
    ids = sorted(used_at)
    return _sessions(await connection.fetch(_QUERIES["note_use"], ids, [used_at[i] for i in ids]))


async def insert_link(
    connection: Connection, token_hash: bytes, user_id: str, now: datetime, expires_at: datetime
) -> None:
    """Keep a sign-out-everywhere link."""
    await connection.execute(
        _QUERIES["insert_link"], token_hash, SIGN_OUT_EVERYWHERE, user_id, now, expires_at
    )


async def find_link(connection: Connection, token_hash: bytes, now: datetime) -> tuple[str, bool] | None:
    """Return whose link it is and whether it was used, or None where it is unknown or has run out."""
    row = await connection.fetchrow(_QUERIES["find_link"], token_hash, SIGN_OUT_EVERYWHERE, now)
    return (row["user_id"], row["used_at"] is not None) if row is not None else None


async def use_link(connection: Connection, token_hash: bytes, now: datetime) -> None:
    """Note the first use of a link."""
    await connection.execute(_QUERIES["use_link"], token_hash, now)


async def forget_links(connection: Connection, before: datetime, limit: int) -> int:
    """Delete links that ran out before an instant, oldest first; return how many."""
    return len(await connection.fetch(_QUERIES["forget_links"], before, limit))


def _sessions(rows: Sequence[Any]) -> list[DeviceSession]:
    return [_session(row) for row in rows]


def _session(row: Any) -> DeviceSession:
    return DeviceSession(**{**row, "status": SessionStatus(row["status"])})
