"""The table `accounts` in Postgres."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from backend.users.model import Account, AccountStatus
from kit.postgres import Connection
from kit.sql import load_queries

_QUERIES = load_queries(__package__)


async def list_all(connection: Connection) -> list[Account]:
    """Return every account."""
    return [_account(row) for row in await connection.fetch(_QUERIES["list_all"])]


async def insert(
    connection: Connection,
    user_id: str,
    email: str,
    display_name: str,
    locale: str,
    time_zone: str,
    country: str | None,
    now: datetime,
) -> Account | None:
    """Register an account; None where the address has one already."""
    row = await connection.fetchrow(
        _QUERIES["insert"], user_id, email, display_name, locale, time_zone, country, now
    )
    return _account(row) if row is not None else None


async def lock_by_email(connection: Connection, email: str) -> Account | None:
    """Return the account of an address, kept from changing until the transaction ends."""
    row = await connection.fetchrow(_QUERIES["lock_by_email"], email)
    return _account(row) if row is not None else None


async def lock(connection: Connection, user_id: str) -> Account | None:
    """Return an account, kept from changing until the transaction ends."""
    row = await connection.fetchrow(_QUERIES["lock"], user_id)
    return _account(row) if row is not None else None


async def update(
    connection: Connection, user_id: str, display_name: str | None, locale: str | None, time_zone: str | None
) -> Account | None:
    """Change what is not None; None where there is no active account."""
    row = await connection.fetchrow(_QUERIES["update"], user_id, display_name, locale, time_zone)
    return _account(row) if row is not None else None


async def set_preferences(
    connection: Connection, user_id: str, email_off: Sequence[str], quiet_hours: Mapping[str, str] | None
) -> Account | None:
    """Replace the preferences; None where there is no living account."""
    row = await connection.fetchrow(
        _QUERIES["set_preferences"], user_id, list(email_off), dict(quiet_hours) if quiet_hours else None
    )
    return _account(row) if row is not None else None


async def set_blocked(connection: Connection, user_id: str, blocked: bool) -> Account | None:
    """Block an account or let it act again; None where it stands so already or is deleted."""
    status = AccountStatus.BLOCKED if blocked else AccountStatus.ACTIVE
    row = await connection.fetchrow(_QUERIES["set_blocked"], user_id, status.value)
    return _account(row) if row is not None else None


async def delete(connection: Connection, user_id: str, now: datetime) -> Account | None:
    """Empty an account for good; None where there is no living one."""
    row = await connection.fetchrow(_QUERIES["delete"], user_id, now)
    if row is None:
        return None
    await connection.execute(_QUERIES["delete_countries"], user_id)
    return _account(row)


async def list_countries(connection: Connection, user_id: str) -> list[dict[str, Any]]:
    """Return where the user's requests came from."""
    return [dict(row) for row in await connection.fetch(_QUERIES["list_countries"], user_id)]


def _account(row: Any) -> Account:
    return Account(
        user_id=row["user_id"],
        email=row["email"],
        display_name=row["display_name"],
        locale=row["locale"],
        time_zone=row["time_zone"],
        status=AccountStatus(row["status"]),
        declared_country=row["declared_country"],
        email_off=tuple(row["email_off"]),
        quiet_hours=row["quiet_hours"],
        created_at=row["created_at"],
        version=row["version"],
    )
