"""Where notifications go."""

from typing import Protocol

from gateway.push.model import Cursor, PushEvent


class EventSink(Protocol):
    """Takes events (gateway.push.dispatcher)."""

    def lane_began(self, start: Cursor, *, gap: bool) -> None:
        """Hear that the lane begins at a position; with `gap` something before it may be lost."""

    def publish(self, event: PushEvent) -> None:
        """Take an event."""

    def malformed(self, source: str, position: str, problem: str) -> None:
        """Hear of an entry that was dropped."""
