"""What other rooms need of the push lane."""

from typing import Protocol

from backend.push.model import Invalidation, Signal


class PushRing(Protocol):
    """Takes signals after the commit of what they tell; never waits and never fails."""

    def publish(self, signal: Signal) -> None:
        """Tell the streams of each user named."""

    def invalidate(self, invalidation: Invalidation) -> None:
        """End the streams of a session, or of all sessions of a user, and have the gateways refuse it."""
