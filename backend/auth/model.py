"""Values of sign-in."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class ChallengeState(StrEnum):
    """How far a challenge has come."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    REPLACED = "replaced"  # the same household asked again, or many others did
    EXHAUSTED = "exhausted"  # too many wrong codes


@dataclass(frozen=True)
class Challenge:
    """A code was sent to an address; whoever reads that mailbox can answer."""

    challenge_id: str
    email: str
    locale: str
    code_hash: bytes
    tries_left: int
    expires_at: datetime
    state: ChallengeState
    device_session_id: str | None
    """The session that confirming it made."""


class SessionStatus(StrEnum):
    """Whether a device session may be served; revoked is for ever."""

    ACTIVE = "active"
    REVOKED = "revoked"


@dataclass(frozen=True)
class DeviceSession:
    """A user on a device that holds the key."""

    device_session_id: str
    user_id: str
    client_public_key: bytes
    """Ed25519, 32 bytes."""
    device_name: str
    country: str | None
    status: SessionStatus
    created_at: datetime
    last_used_at: datetime
    revoked_at: datetime | None
    revoked_reason: str | None
    version: int

    def idle_ends_at(self, idle: timedelta) -> datetime:
        """Return when it is over unless it is used before."""
        return self.last_used_at + idle

    def serves(self, now: datetime, idle: timedelta) -> bool:
        """Tell whether requests of this session may be served."""
        return self.status is SessionStatus.ACTIVE and now < self.idle_ends_at(idle)


@dataclass(frozen=True)
class SentCode:
    """What everybody is told who asks for a code."""

    challenge_id: str
    expires_at: datetime
    mail_delayed: bool


@dataclass(frozen=True)
class Device:
    """What a device says of itself when it signs in."""

    public_key: bytes
    time_zone: str
    name: str
    address: str


@dataclass(frozen=True)
class SignIn:
    """A confirmed code."""

    device_session_id: str
    user_id: str
    new_account: bool
