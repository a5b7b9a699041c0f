"""One open stream: a list, a future, and a reason to end."""

import asyncio
from collections.abc import Iterable

from gateway.push.model import Lane, PushEvent, StreamEnd


class PushStream:
    """The queue between the hub and one subscriber.

    Only one task may wait for batches. Events handed out count against the limits until `sent` tells that the transport took
    them, so that the limits hold for all that the gateway keeps for the stream.
    """

    __slots__ = (
        "_events",
        "_events_max",
        "_waiter",
        "_waiting",
        "_weight",
        "_weight_max",
        "device_session_id",
        "end_detail",
        "ended",
        "user_id",
    )

    def __init__(self, device_session_id: str, events_max: int, bytes_max: int) -> None:
        self.device_session_id = device_session_id
        self.user_id = ""
        """Empty until the session was looked up; no event reaches the stream before."""
        self.ended: StreamEnd | None = None
        self.end_detail = ""
        self._events: list[PushEvent] = []
        self._waiting = 0
        self._weight = 0
        self._events_max = events_max
        self._weight_max = bytes_max
        self._waiter: asyncio.Future[None] | None = None

    def offer(self, event: PushEvent) -> bool:
        """Queue an event, or end the stream where it would not fit; after an end nothing is queued any more."""
        if self.ended is not None:
            return False
        weight = self._weight + event.weight_bytes
        if self._waiting >= self._events_max or (weight > self._weight_max and self._waiting):
            self.end(StreamEnd.OVERFLOW)
            return False
        self._events.append(event)
        self._waiting += 1
        self._weight = weight
        waiter = self._waiter
        if waiter is not None:  # as `_wake`, in place: this is what fan-out costs
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)
        return True

    def end(self, reason: StreamEnd, detail: str = "") -> None:
        """End the stream. The first reason stays, but a revocation outdoes any other and takes the queue with it."""
        if self.ended is None or (reason is StreamEnd.REVOKED and self.ended is not StreamEnd.REVOKED):
            self.ended = reason
            self.end_detail = detail
        if reason is StreamEnd.REVOKED:
            self._forget(self._events)
            self._events = []
        self._wake()

    def forget_lane(self, lane: Lane) -> None:
        """Drop what waits of a lane, resyncs too, for a caller that is about to replay the lane instead."""
        dropped = [
            event
            for event in self._events
            if event.about_lane is lane or (event.cursor is not None and event.cursor.lane is lane)
        ]
        self._forget(dropped)
        gone = set(map(id, dropped))
        self._events = [event for event in self._events if id(event) not in gone]

    async def next_batch(self) -> list[PushEvent]:
        """Wait for events and take all there are, in order. An empty list says that the stream has ended."""
        while not self._events:
            if self.ended is not None:
                return []
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        batch, self._events = self._events, []
        return batch

    def sent(self, event: PushEvent) -> None:
        """Hear that the transport took an event of a batch."""
        self._waiting -= 1
        self._weight -= event.weight_bytes

    def _forget(self, events: Iterable[PushEvent]) -> None:
        for event in events:
            self.sent(event)

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():  # done: its task was cancelled meanwhile
            waiter.set_result(None)
