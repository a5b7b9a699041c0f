"""Values of the deliveries room."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from kit.backoff import Ladder
from kit.outbox import Lane
from mail.templates.catalog import SIGN_IN_CODE


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"  # never tried in this series
    SENDING = "sending"  # claimed by a worker until its lease ends
    RETRYING = "retrying"  # refused for now; tried again at its time
    SENT = "sent"  # the relay took it over
    SUPPRESSED = "suppressed"  # not to be sent: the address or the account is gone
    DEAD_LETTERED = "dead_lettered"  # given up


class LaneName(StrEnum):
    """Which workers and connections serve a delivery."""

    ORDINARY = "ordinary"
    CODE = "code"  # sign-in codes: never behind other mail


def lane_of(template_id: str) -> LaneName:
    """Return the lane of a template."""
    return LaneName.CODE if template_id == SIGN_IN_CODE else LaneName.ORDINARY


def outbox_lane(name: LaneName) -> Lane:
    """Describe one lane of the table to kit.outbox."""
    return Lane(
        table="deliveries",
        waiting=(DeliveryState.PENDING, DeliveryState.RETRYING),
        leased=DeliveryState.SENDING,
        delivered=DeliveryState.SENT,
        retry=DeliveryState.RETRYING,
        dead=DeliveryState.DEAD_LETTERED,
        partition=name,
    )


ORDINARY_LADDER = Ladder(
    (
        timedelta(seconds=30),
        timedelta(minutes=2),
        timedelta(minutes=10),
        timedelta(minutes=30),
        timedelta(hours=2),
        timedelta(hours=6),
        timedelta(hours=16),
    )
)
"""Over a day in all, so that greylisting passes and a relay may be away for a night."""

CODE_LADDER = Ladder(tuple(timedelta(seconds=s) for s in (1, 3, 5, 10, 20, 30, 60)))
"""Quick, and ended by the code's own life."""

LADDERS = {LaneName.ORDINARY: ORDINARY_LADDER, LaneName.CODE: CODE_LADDER}

UNKNOWN_RETRIES_MAX = 2
"""How often an outcome that nobody can know is tried again by itself."""


@dataclass(frozen=True)
class NewDelivery:
    """A delivery as a command asks for it."""

    delivery_id: str
    source: str
    idempotency_key: str
    template_id: str
    locale: str
    to: str
    variables: Mapping[str, Any] | None
    sealed_variables: str | None
    unsubscribe_url: str
    user_id: str | None
    expires_at: datetime | None
    occurred_at: datetime
    request_id: str
    trace_id: str
    body_hash: bytes
    stream_id: str


@dataclass(frozen=True)
class Outgoing:
    """What a worker needs to send a claimed delivery."""

    delivery_id: str
    template_id: str
    locale: str
    to: str
    variables: Mapping[str, Any] | None
    sealed_variables: str | None
    unsubscribe_url: str
    created_at: datetime
    address_hash: str
    expired: bool
    suppressed: bool
    unknown_outcomes: int
    """Attempts of this series that ended after the final dot without an answer."""
    request_id: str
    trace_id: str


@dataclass(frozen=True)
class Delivery:
    """A delivery as operators see it."""

    delivery_id: str
    source: str
    template_id: str
    locale: str
    to: str | None
    user_id: str | None
    state: DeliveryState
    attempt_no: int
    next_at: datetime
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None
    last_error_classification: str | None
    last_error: str | None


@dataclass(frozen=True)
class Attempt:
    """One try to hand a delivery over."""

    attempt_no: int
    started_at: datetime
    finished_at: datetime | None
    outcome: str
    classification: str | None
    detail: str | None


@dataclass(frozen=True)
class DeadLetter:
    """One delivery that was given up, at one moment of its life."""

    delivery_id: str
    attempt_no: int
    source: str
    template_id: str
    classification: str
    error: str | None
    dead_at: datetime
    state: DeliveryState | None
    """Where the delivery stands now; None once retention has removed it."""


@dataclass(frozen=True)
class Inserted:
    """What became of a batch of new deliveries."""

    created: frozenset[str]
    suppressed: frozenset[str]
    repeated: int
    conflicting: int
