"""Time as an argument: the wall clock for records, the monotonic one for waiting.

Instants are aware UTC datetimes. Leases and schedules are decided by the database's own `now()`, never by this clock, so
that machines with skewed clocks agree (see docs/ARCHITECTURE.md, Outboxes).
"""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What a part needs to know of time."""

    def now(self) -> datetime:
        """Return the current instant, aware, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that only ever grow; their origin means nothing."""


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """Return the current instant, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds of the monotonic clock."""
        return time.monotonic()


def rfc3339(instant: datetime) -> str:
    """Write an aware instant as RFC 3339 in UTC with milliseconds, the one spelling of instants in our JSON."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def unix_ms(instant: datetime) -> int:
    """Return whole milliseconds since 1970-01-01T00:00:00Z."""
    return int(instant.timestamp() * 1000)
