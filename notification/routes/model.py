"""Values of the routes room."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from kit.backoff import Ladder
from kit.outbox import Lane
from notification.catalog import Channel

RETRY_LADDER = Ladder.doubling(timedelta(seconds=5), timedelta(minutes=5), attempts=8)


class RouteState(StrEnum):
    """Where a route stands."""

    PENDING = "pending"  # due now, or being published
    FAILED = "failed"  # refused for now; tried again at its time
    PUBLISHED = "published"  # its stream took it over
    DEAD_LETTER = "dead_letter"  # given up
    SKIPPED = "skipped"  # never to be published; `skip_reason` says why


class SkipReason(StrEnum):
    """Why a route is not published."""

    USER_DELETED = "user_deleted"
    USER_BLOCKED = "user_blocked"
    EMAIL_OFF = "email_off"
    NO_ADDRESS = "no_address"
    NO_ADMIN_ADDRESS = "no_admin_address"


def outbox_lane(channel: Channel) -> Lane:
    """Describe one channel's part of the table to kit.outbox."""
    return Lane(
        table="routes",
        waiting=(RouteState.PENDING, RouteState.FAILED),
        leased=RouteState.PENDING,
        delivered=RouteState.PUBLISHED,
        retry=RouteState.FAILED,
        dead=RouteState.DEAD_LETTER,
        partition=channel,
    )


@dataclass(frozen=True)
class NewRoute:
    """A route as it is made."""

    route_id: str
    """`push:<user>`, `email:<user>`, `email:<address hash>` or `config:<notification type>`; unique within its record."""
    channel: Channel
    user_id: str | None = None
    address: str | None = None
    locale: str = "en"
    time_zone: str = "UTC"
    display_name: str = ""
    unsubscribe_url: str = ""
    not_before: datetime | None = None
    skip_reason: SkipReason | None = None


@dataclass(frozen=True)
class RoutePayload:
    """What a publisher needs of a claimed route."""

    id: str
    record_id: str
    route_id: str
    notification_type: str
    producer: str
    audience_kind: str
    payload: Mapping[str, Any]
    user_id: str | None
    address: str | None
    locale: str
    time_zone: str
    display_name: str
    unsubscribe_url: str
    occurred_at: datetime
    request_id: str
    trace_id: str


class AddressNames:
    """Names addresses in route ids: the same address has the same name for as long as the key stays."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, address: str) -> str:
        """Return 32 hex digits of HMAC-SHA256 over the lower-cased address."""
        return hmac.new(self._key, address.lower().encode(), hashlib.sha256).hexdigest()[:32]
