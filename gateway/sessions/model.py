"""Values of device sessions."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SessionStatus(StrEnum):
    """What the backend says of a session."""

    ACTIVE = "active"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Session:
    """A device that signed in, as the backend knew it at the lookup."""

    device_session_id: str
    user_id: str
    status: SessionStatus
    client_public_key: bytes
    """Raw Ed25519 public key, 32 bytes."""
    created_at: datetime
