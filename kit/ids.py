"""Identifiers: UUIDv7 as text, so that ids sort by the moment of their making (RFC 9562, section 5.7)."""

import secrets
import time
import uuid
from collections.abc import Callable

NewId = Callable[[], str]
"""A source of fresh identifiers, passed to whatever makes rows so that tests can say which ids come."""


def uuid7(unix_ms: int | None = None) -> str:
    """Return a fresh UUIDv7 in its canonical text form.

    `unix_ms` replaces the wall clock's milliseconds, for tests and for importing dated records.
    """
    timestamp = time.time_ns() // 1_000_000 if unix_ms is None else unix_ms
    value = (timestamp & 0xFFFF_FFFF_FFFF) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


def is_uuid(text: str) -> bool:
    """Tell whether `text` is a UUID in canonical lower-case form, the only form we accept from outside."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
