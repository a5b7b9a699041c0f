"""What rooms ask the outbox to carry, and what a row of it looks like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

RETRY_FIRST = timedelta(seconds=5)
RETRY_LONGEST = timedelta(minutes=5)
"""A refused entry is handed over again after 5 s, 10 s, 20 s … and at most 5 min; `kit.backoff.Ladder` makes the steps."""


class AudienceKind(StrEnum):
    """Whom an intent addresses."""

    USER = "user"
    ADMIN = "admin"


@dataclass(frozen=True)
class Intent:
    """Something a person should know; `notification` decides by which routes."""

    notification_type: str
    """One of the catalogue in docs/ARCHITECTURE.md, section 4."""
    idempotency_key: str
    """Names the fact: the same type and key are carried once, however often they are added."""
    payload: Mapping[str, Any]
    recipient_user_ids: Sequence[str] = ()
    """Empty for the audience `admin`."""
    audience_kind: AudienceKind = AudienceKind.USER
    occurred_at: datetime | None = None
    """When it happened; the outbox's clock where absent."""


class MailKind(StrEnum):
    """What a mail command asks for."""

    SEND = "send"
    ERASE = "erase"


@dataclass(frozen=True)
class MailCommand:
    """A mail of the backend's own, past `notification`: sign-in codes, and the erasure of a person's mail."""

    delivery_id: str
    """The delivery's id at the mail service and the outbox row's own."""
    idempotency_key: str
    kind: MailKind = MailKind.SEND
    template_id: str = ""
    locale: str = "en"
    to: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    sealed: bool = False
    """Seal the variables wherever they rest; they are erased from the row once it is finished."""
    user_id: str = ""
    expires_at: datetime | None = None
    """After this nobody wants it any more; it becomes a dead letter `expired`."""


@dataclass(frozen=True)
class SessionEvent:
    """A device session's present state, for gateways that read the session stream."""

    device_session_id: str
    user_id: str
    status: str
    revoked_at: datetime | None
    version: int
    """Grows with each change of the session; makes the event's key."""


class LaneName(StrEnum):
    """The lanes of the outbox table."""

    INTENT = "intent"
    MAIL = "mail"


class EntryState(StrEnum):
    """States of an outbox row."""

    PENDING = "pending"
    PUBLISHED = "published"
    DEAD_LETTERED = "dead_lettered"


@dataclass(frozen=True)
class Entry:
    """One row, as operators see it."""

    id: str
    lane: LaneName
    kind: str
    idempotency_key: str
    stream: str
    fields: Mapping[str, str]
    sealed: bool
    state: EntryState
    next_at: datetime
    attempt_no: int
    last_error_classification: str | None
    last_error: str | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True)
class Attempt:
    """One try to hand a row over."""

    attempt_no: int
    started_at: datetime
    finished_at: datetime | None
    outcome: str
    classification: str | None
    error: str | None
