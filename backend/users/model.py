"""Accounts as the rest of the backend sees them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AccountStatus(StrEnum):
    """Whether an account may act."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    DELETED = "deleted"


@dataclass(frozen=True)
class Account:
    """One player."""

    user_id: str
    email: str
    """Normalised; empty once the account is deleted."""
    display_name: str
    locale: str
    time_zone: str
    """An IANA name."""
    status: AccountStatus
    declared_country: str | None
    """ISO 3166 code of the address at registration; set once, never changed."""
    email_off: tuple[str, ...]
    """Notification types whose e-mail is switched off."""
    quiet_hours: Mapping[str, str] | None
    """`{"from": "22:00", "to": "07:00"}` in the account's time zone, or none."""
    created_at: datetime
    version: int
    """Grows with each change; a cache keeps the highest."""
