"""A user as routes need it."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class UserStatus(StrEnum):
    """What the backend says of an account."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    DELETED = "deleted"


@dataclass(frozen=True)
class QuietHours:
    """When a person wants no mail, in the person's own time zone; may span midnight."""

    begins: time
    ends: time


@dataclass(frozen=True)
class User:
    """An account at the moment of an intent."""

    user_id: str
    status: UserStatus
    email: str
    display_name: str
    locale: str
    time_zone: str
    email_off: frozenset[str]
    unsubscribe_token: str
    quiet_hours: QuietHours | None = None

    def quiet_until(self, now: datetime) -> datetime | None:
        """Return when the quiet hours in force end, or None outside them."""
        quiet = self.quiet_hours
        if quiet is None or quiet.begins == quiet.ends:
            return None
        local = now.astimezone(self._zone())
        at = local.time().replace(tzinfo=None)
        over_midnight = quiet.begins > quiet.ends
        awake = quiet.ends <= at < quiet.begins if over_midnight else not quiet.begins <= at < quiet.ends
        if awake:
            return None
        end = local.replace(hour=quiet.ends.hour, minute=quiet.ends.minute, second=0, microsecond=0, fold=0)
        if at >= quiet.ends:
            end += timedelta(days=1)  # on the wall clock of that zone
        return end.astimezone(UTC)

    def _zone(self) -> ZoneInfo:
        try:
            return ZoneInfo(self.time_zone or "UTC")
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return ZoneInfo("UTC")
