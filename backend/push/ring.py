"""The bounded ring of signals, read by one subscriber a gateway."""

import asyncio
from collections import deque
from collections.abc import Callable

import orjson
import structlog

from backend.push.model import ClientEvent, Cursor, Frame, Invalidation, Signal
from kit.clock import Clock
from kit.ids import NewId
from kit.telemetry import current_trace_id


class Ring:
    """The last `capacity` events of one life of the active backend, in order, numbered from 1.

    Subscribers keep a position and read from it; nothing is queued for them, so a slow one costs nothing but its own stream.
    """

    def __init__(self, capacity: int, clock: Clock, new_id: NewId) -> None:
        self._clock = clock
        self._new_id = new_id
        self.epoch = new_id()
        """Names this life; cursors of another life reach nothing here."""
        self._frames: deque[Frame] = deque(maxlen=capacity)
        self._newest = 0
        self._wakes: set[Callable[[], None]] = set()

    @property
    def newest(self) -> int:
        """Offset of the latest event, 0 before the first."""
        return self._newest

    def publish(self, signal: Signal) -> None:
        """Add one event for each user named, serialised once."""
        payload = orjson.dumps(signal.payload)
        for user_id in signal.user_ids:
            event = ClientEvent(user_id, signal.device_session_id, signal.event_type, self._new_id(), payload)
            self._add(event)
        self._wake_all()

    def invalidate(self, invalidation: Invalidation) -> None:
        """Add an invalidation."""
        self._add(invalidation)
        self._wake_all()

    def reaches_back_to(self, cursor: Cursor) -> bool:
        """Tell whether everything after this position is still here."""
        oldest = self._newest - len(self._frames)
        return cursor.epoch == self.epoch and oldest <= cursor.offset <= self._newest

    def after(self, offset: int, limit: int) -> list[Frame] | None:
        """Return up to `limit` events after a position, oldest first; None when some of them are forgotten already."""
        first = self._newest - len(self._frames)
        if offset < first:
            return None
        start = offset - first
        stop = min(start + limit, len(self._frames))
        return [self._frames[place] for place in range(start, stop)]

    def watch(self, wake: Callable[[], None]) -> None:
        """Have `wake` called after each addition."""
        self._wakes.add(wake)

    def unwatch(self, wake: Callable[[], None]) -> None:
        """Stop calling `wake`."""
        self._wakes.discard(wake)

    def _add(self, body: ClientEvent | Invalidation) -> None:
        self._newest += 1
        bound = structlog.contextvars.get_contextvars()
        self._frames.append(
            Frame(
                self._newest,
                self._clock.now(),
                str(bound.get("request_id", "")),
                current_trace_id(),
                body,
            )
        )

    def _wake_all(self) -> None:
        for wake in self._wakes:
            wake()


class Subscription:
    """One gateway's reading of the ring."""

    def __init__(self, ring: Ring, after: int) -> None:
        self._ring = ring
        self._at = after
        self._wake = asyncio.Event()
        self.replaced = False
        """Set when another subscription came under the same gateway id."""
        self.closed = False
        """Set when the process stops serving signals."""

    def __enter__(self) -> "Subscription":
        """Begin to hear of new events."""
        self._ring.watch(self._wake.set)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop hearing of them."""
        self._ring.unwatch(self._wake.set)

    def replace(self) -> None:
        """End it in favour of a newer one."""
        self.replaced = True
        self._wake.set()

    def close(self) -> None:
        """End it because nothing will follow."""
        self.closed = True
        self._wake.set()

    async def next(self, limit: int = 256) -> list[Frame] | None:
        """Wait for events and return them, oldest first; none when it was replaced or closed.

        None means that the subscriber fell so far behind that events it needs are forgotten.
        """
        while not (self.replaced or self.closed):
            self._wake.clear()
            frames = self._ring.after(self._at, limit)
            if frames is None:
                return None
            if frames:
                self._at = frames[-1].offset
                return frames
            await self._wake.wait()
        return []
