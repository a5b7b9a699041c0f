"""Values of routing."""

from dataclasses import dataclass
from enum import StrEnum


class PayloadSize(StrEnum):
    """Which limit a route's payload has."""

    COMMAND = "command"
    ORDERS = "orders"


@dataclass(frozen=True, slots=True)
class Route:
    """One message type and the call that answers it."""

    message_type: str
    method: str
    path: str
    """Below /api/v1/user; `{name}` is filled with the payload's field of that name."""
    size: PayloadSize = PayloadSize.COMMAND


@dataclass(frozen=True, slots=True)
class BackendRequest:
    """A call of the backend, ready to be sent."""

    method: str
    path: str
    """Percent-encoded, with its query."""
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Result:
    """What the client gets: a result code and the bytes of the backend's answer."""

    result_code: str
    payload_bytes: bytes
