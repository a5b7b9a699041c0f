"""What the push room needs of the outside."""

from collections.abc import Sequence
from typing import Protocol

from gateway.push.model import Cursor, Lane, PushEvent


class LaneSource(Protocol):
    """Where a lane's events can be read again."""

    @property
    def lane(self) -> Lane:
        """Return which lane."""

    async def read(self, user_id: str, after: Cursor, through: Cursor) -> Sequence[PushEvent] | None:
        """Return a user's events after one position up to another, in order; None where they are not all there."""
