"""Values of the catalog."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class AudienceKind(StrEnum):
    """Whom a type addresses."""

    USER = "user"  # the recipients that the intent names
    ADMIN = "admin"  # the operators that the settings name


class Channel(StrEnum):
    """By which way a person hears of it; also the lane of a route."""

    PUSH = "push"
    EMAIL = "email"


class PayloadMismatch(Exception):
    """A payload does not fit its type's schema; the text names the place, never a value."""


@dataclass(frozen=True)
class NotificationType:
    """One row of the catalog."""

    name: str
    audience: AudienceKind
    channels: tuple[Channel, ...]
    payload_schema: Mapping[str, Any]
    """JSON Schema of the payload, closed: unknown fields are refused."""
    mail_only: frozenset[str] = field(default_factory=frozenset)
    """Payload fields that go into mails and nowhere else: links that carry a secret."""
    can_switch_off: bool = False
    """Whether people may switch its e-mail off; such mails carry a one-click unsubscribe and keep to quiet hours."""
    template_id: str = ""
    ends_user: bool = False
    """The recipient's account is gone: open routes are skipped, none are made."""

    @property
    def push_event_type(self) -> str:
        """Return the type of its events on the gateway's stream."""
        return f"notification.{self.name}"
