"""Who a request comes from, and what a repeated request is recognised by."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Player:
    """The player behind a request of the family `user`, as the gateway vouched."""

    user_id: str
    device_session_id: str


@dataclass(frozen=True)
class IdempotentCall:
    """A request that carried an `Idempotency-Key`."""

    user_id: str
    key: str
    fingerprint: str
    """SHA-256 over method, path, query and body: the same key with another fingerprint is refused."""


@dataclass(frozen=True)
class StoredAnswer:
    """What was answered the first time."""

    status: int
    body: Any
