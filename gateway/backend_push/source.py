"""Reading the backend's ring again, for clients that resume from before this gateway's own history."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta

from gateway.backend_push.errors import SubscriptionLost
from gateway.backend_push.model import Gap
from gateway.backend_push.ports import Frames
from gateway.push.model import Cursor, Lane, PushEvent
from kit.logs import get_logger

_log = get_logger("push_dispatcher")
_FRAMES_MAX = 20_000


class PushRingSource:
    """A second, short subscription under a name of its own; one at a time, and its yield serves everyone who waited."""

    lane = Lane.PUSH

    def __init__(self, client: Frames, client_id: str, timeout: timedelta) -> None:
        self._client = client
        self._client_id = f"{client_id}.resume"
        self._timeout_seconds = timeout.total_seconds()
        self._one_at_a_time = asyncio.Lock()
        self._read_after: Cursor | None = None
        self._read_through: Cursor | None = None
        self._events: list[PushEvent] = []

    async def read(self, user_id: str, after: Cursor, through: Cursor) -> Sequence[PushEvent] | None:
        """Return a user's events in (after, through], or None where the ring does not reach back or cannot be asked."""
        async with self._one_at_a_time:
            if not self._covers(after, through):
                try:
                    async with asyncio.timeout(self._timeout_seconds):
                        events = await self._read_ring(after, through)
                except (SubscriptionLost, TimeoutError) as error:
                    _log.warning("push_ring_unreadable", after=str(after), reason=str(error))
                    return None
                if events is None:
                    return None
                self._read_after, self._read_through, self._events = after, through, events
            return [
                event
                for event in self._events
                if event.user_id == user_id
                and event.cursor is not None
                and after.position < event.cursor.position <= through.position
            ]

    def _covers(self, after: Cursor, through: Cursor) -> bool:
        begins, ends = self._read_after, self._read_through
        return (
            begins is not None
            and ends is not None
            and begins.epoch == after.epoch
            and begins.position <= after.position
            and through.position <= ends.position
        )

    async def _read_ring(self, after: Cursor, through: Cursor) -> list[PushEvent] | None:
        if through.position[0] - after.position[0] > _FRAMES_MAX:
            return None
        events: list[PushEvent] = []
        frames = self._client.frames(self._client_id, after)
        async with aclosing(frames):
            async for frame in frames:
                if frame is None:
                    continue
                # A malformed one is passed over, as it was when it was live.
                if isinstance(frame.meaning, Gap):
                    return None
                if isinstance(frame.meaning, PushEvent):
                    events.append(frame.meaning)
                if frame.cursor.position >= through.position:
                    return events
        return None
