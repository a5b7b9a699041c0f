"""Values of the push lane."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


@dataclass(frozen=True)
class Signal:
    """Something changed for these users: `game.changed`, `lobby.changed`, `account.changed`."""

    event_type: str
    user_ids: Sequence[str]
    payload: Mapping[str, Any]
    device_session_id: str | None = None
    """Only this session's streams, where set."""


class InvalidationReason(StrEnum):
    """Why a session must not be served any more."""

    REVOKED_BY_USER = "revoked_by_user"
    REVOKED_BY_OPERATOR = "revoked_by_operator"
    SIGNED_OUT_EVERYWHERE = "signed_out_everywhere"
    TOO_MANY_SESSIONS = "too_many_sessions"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Invalidation:
    """One device session, or every one of a user, is over; exactly one of the two ids is set."""

    reason: InvalidationReason
    device_session_id: str | None = None
    user_id: str | None = None

    def __post_init__(self) -> None:
        assert (self.device_session_id is None) != (self.user_id is None), "an invalidation has one target"


@dataclass(frozen=True)
class ClientEvent:
    """A signal for one user, as it stands in the ring."""

    user_id: str
    device_session_id: str | None
    event_type: str
    event_id: str
    payload: bytes


@dataclass(frozen=True)
class Cursor:
    """A position: the life of the ring and how many of its events have been handled."""

    epoch: str
    offset: int


@dataclass(frozen=True)
class Frame:
    """One event of the ring."""

    offset: int
    occurred_at: datetime
    request_id: str
    trace_id: str
    body: ClientEvent | Invalidation
