"""Where frames come from, and what they do to the rest of the gateway."""

from collections.abc import AsyncGenerator
from typing import Protocol

from gateway.backend_push.model import Frame
from gateway.push.model import Cursor, PushEvent


class Frames(Protocol):
    """Opens subscriptions (gateway.backend_push.rpc)."""

    def frames(self, client_id: str, after: Cursor | None) -> AsyncGenerator[Frame | None]:
        """Yield None once the backend has accepted the subscription, then its frames, until it ends.

        Raises SubscriptionLost, always: a subscription has no good end.
        """


class PushSink(Protocol):
    """Takes what the backend says (gateway.push.dispatcher)."""

    def lane_began(self, start: Cursor, *, gap: bool) -> None:
        """Hear that a lane begins at a position; with `gap` something before it may be lost."""

    def publish(self, event: PushEvent) -> None:
        """Take an event."""

    def malformed(self, source: str, position: str, problem: str) -> None:
        """Hear of a frame that was dropped."""

    def revoke_device_session(self, device_session_id: str, reason: str) -> None:
        """Take the end of a session."""

    def revoke_all_for_user(self, user_id: str, reason: str) -> None:
        """Take the end of all of a user's sessions."""


class Relookups(Protocol):
    """Looks open sessions up again."""

    def request(self) -> None:
        """Ask for a pass over every open session, soon."""
