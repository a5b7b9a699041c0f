"""Operators, their sessions and the audit log in Postgres."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from backend.admin.model import AuditRecord, Credentials, Operator, Role
from kit.postgres import Connection
from kit.sql import load_queries

_QUERIES = load_queries(__package__)


async def list_operators(connection: Connection) -> list[Credentials]:
    """Return every operator."""
    return [_credentials(row) for row in await connection.fetch(_QUERIES["list_operators"])]


async def insert_operator(
    connection: Connection, operator_id: str, login: str, password_hash: str, role: Role, now: datetime
) -> Credentials | None:
    """Make an operator; None where the login is taken."""
    row = await connection.fetchrow(
        _QUERIES["insert_operator"], operator_id, login, password_hash, role.value, now
    )
    return _credentials(row) if row is not None else None


async def note_failure(
    connection: Connection, operator_id: str, limit: int, locked_until: datetime
) -> Credentials:
    """Count a wrong password; the `limit`-th in a row locks the operator out."""
    return await _one(connection, "note_failure", operator_id, limit, locked_until)


async def note_success(connection: Connection, operator_id: str, step: int) -> Credentials | None:
    """Forget failures and use a code's step up; None where it was used already. Step 0: no code was asked for."""
    return await _maybe(connection, "note_success", operator_id, step)


async def set_password(connection: Connection, operator_id: str, password_hash: str) -> Credentials:
    """Replace the password."""
    return await _one(connection, "set_password", operator_id, password_hash)


async def begin_totp(connection: Connection, operator_id: str, sealed: str) -> Credentials | None:
    """Keep a secret that is not asked for yet; None where codes are asked for already."""
    return await _maybe(connection, "begin_totp", operator_id, sealed)


async def enable_totp(connection: Connection, operator_id: str, step: int) -> Credentials | None:
    """Ask for codes from now on; None where the proving code was used already."""
    return await _maybe(connection, "enable_totp", operator_id, step)


async def disable_totp(connection: Connection, operator_id: str) -> Credentials:
    """Ask for codes no more, and forget the secret."""
    return await _one(connection, "disable_totp", operator_id)


async def lock_owners(connection: Connection) -> list[str]:
    """Return the ids of active owners, kept from changing until the transaction ends."""
    return [row["operator_id"] for row in await connection.fetch(_QUERIES["lock_owners"])]


async def change_operator(
    connection: Connection, operator_id: str, role: Role | None, disabled: bool | None
) -> Credentials:
    """Change what is not None."""
    return await _one(connection, "change_operator", operator_id, role.value if role else None, disabled)


async def insert_session(
    connection: Connection, token_hash: bytes, operator_id: str, now: datetime, expires_at: datetime
) -> None:
    """Begin a session."""
    await connection.execute(_QUERIES["insert_session"], token_hash, operator_id, now, expires_at)


async def find_session(
    connection: Connection, token_hash: bytes, now: datetime, used_after: datetime
) -> tuple[str, datetime] | None:
    """Return whose session it is and when it was last used; None where it is over."""
    row = await connection.fetchrow(_QUERIES["find_session"], token_hash, now, used_after)
    return (row["operator_id"], row["last_used_at"]) if row is not None else None


async def note_use(connection: Connection, token_hash: bytes, now: datetime) -> None:
    """Note that a session was used."""
    await connection.execute(_QUERIES["note_use"], token_hash, now)


async def end_session(connection: Connection, token_hash: bytes) -> None:
    """End one session."""
    await connection.execute(_QUERIES["end_session"], token_hash)


async def end_sessions_of(connection: Connection, operator_id: str, keep: bytes = b"") -> None:
    """End an operator's sessions but one."""
    await connection.execute(_QUERIES["end_sessions_of"], operator_id, keep)


async def forget_sessions(connection: Connection, now: datetime, used_after: datetime) -> None:
    """Delete sessions that are over."""
    await connection.execute(_QUERIES["forget_sessions"], now, used_after)


async def insert_audit(
    connection: Connection,
    record_id: str,
    operator: Operator,
    action: str,
    target: str,
    details: Mapping[str, Any],
    request_id: str,
    now: datetime,
) -> None:
    """Write who did what."""
    await connection.execute(
        _QUERIES["insert_audit"],
        record_id,
        operator.operator_id,
        operator.login,
        action,
        target,
        dict(details),
        request_id,
        now,
    )


async def list_audit(connection: Connection, limit: int, offset: int) -> tuple[list[AuditRecord], int]:
    """Return records, newest first, and how many there are in all."""
    rows = await connection.fetch(_QUERIES["list_audit"], limit, offset)
    return [AuditRecord(**row) for row in rows], int(await connection.fetchval(_QUERIES["count_audit"]))


async def _one(connection: Connection, query: str, *arguments: Any) -> Credentials:
    row = await connection.fetchrow(_QUERIES[query], *arguments)
    assert row is not None
    return _credentials(row)


async def _maybe(connection: Connection, query: str, *arguments: Any) -> Credentials | None:
    row = await connection.fetchrow(_QUERIES[query], *arguments)
    return _credentials(row) if row is not None else None


def _credentials(row: Any) -> Credentials:
    operator = Operator(
        operator_id=row["operator_id"],
        login=row["login"],
        role=Role(row["role"]),
        totp_enabled=row["totp_enabled"],
        disabled=row["disabled"],
        created_at=row["created_at"],
        version=row["version"],
    )
    return Credentials(
        operator,
        row["password_hash"],
        row["totp_secret_sealed"],
        row["totp_last_step"],
        row["failures"],
        row["locked_until"],
    )
