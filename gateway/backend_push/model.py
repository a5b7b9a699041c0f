"""What a frame of the subscription means."""

from dataclasses import dataclass

from gateway.push.model import Cursor, PushEvent


@dataclass(frozen=True, slots=True)
class SessionInvalid:
    """One session is over."""

    device_session_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class UserInvalid:
    """All sessions of a user are over."""

    user_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Frames before this one are gone."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """The frame says less than it must; `problem` says what is missing."""

    problem: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its place and what it means."""

    cursor: Cursor
    meaning: PushEvent | SessionInvalid | UserInvalid | Gap | Malformed
