"""One open stream: a list, a future, and a reason to end."""
# ruff: noqa: SLF001 - `offer_to_all` belongs to the class: fan-out is written out there for all streams at once

import asyncio
from collections.abc import Iterable, Iterator
from operator import length_hint

from gateway.push.model import Lane, PushEvent, StreamEnd


class PushStream:
    """The queue between the hub and one subscriber.

    Only one task may read. An event handed out counts against the limits until the next is asked for, which is when the
    transport has taken it: so the limits hold for all that the gateway keeps for the stream.
    """

    __slots__ = (
        "_events",
        "_events_max",
        "_left",
        "_loop",
        "_taken",
        "_taken_weight",
        "_waiter",
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
        self._weight = 0
        """Of `_events`."""
        self._taken: list[PushEvent] = []
        """What was handed out last, as far as it may still be unsent."""
        self._taken_weight = 0
        self._left: Iterator[PushEvent] = iter(())
        """What of it the reader has not asked for."""
        self._events_max = events_max
        self._weight_max = bytes_max
        self._waiter: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def offer(self, event: PushEvent) -> bool:
        """Queue an event, or end the stream where it would not fit; after an end nothing is queued any more."""
        return offer_to_all((self,), event) == 1

    def end(self, reason: StreamEnd, detail: str = "") -> None:
        """End the stream. The first reason stays, but a revocation outdoes any other and takes the queue with it."""
        if self.ended is None or (reason is StreamEnd.REVOKED and self.ended is not StreamEnd.REVOKED):
            self.ended = reason
            self.end_detail = detail
        if reason is StreamEnd.REVOKED:
            self._events = []
            self._weight = 0
        self.wake()

    def forget_lane(self, lane: Lane) -> None:
        """Drop what waits of a lane, resyncs too, for a caller that is about to replay the lane instead."""
        self._events = [
            event
            for event in self._events
            if event.about_lane is not lane and (event.cursor is None or event.cursor.lane is not lane)
        ]
        self._weight = _weight_of(self._events)

    @property
    def is_over(self) -> bool:
        """Tell whether the stream has ended and all that fitted was handed out."""
        return self.ended is not None and not self._events

    def pause(self) -> "asyncio.Future[None] | None":
        """Return what to await before there is something to see, or None where there is something already.

        After it come events, an end, or merely a `wake`.
        """
        if self._events or self.ended is not None:
            return None
        if self._taken:
            self._taken = []
            self._taken_weight = 0
        if self._loop is None:
            self._loop = (
                asyncio.get_running_loop()
            )  # kept: on Python 3.11 each call asks the kernel who we are
        self._waiter = waiter = self._loop.create_future()
        return waiter

    def drain(self) -> Iterator[PushEvent]:
        """Hand out all events there are now, in order; each counts until the next is asked for."""
        self._taken, self._events = self._events, []
        self._taken_weight, self._weight = self._weight, 0
        self._left = left = iter(self._taken)
        return left

    def _has_room(self, weight: int) -> bool:
        """Reckon exactly what `offer_to_all` takes from above: of what was handed out only the unsent counts."""
        if self._taken:
            unsent = length_hint(self._left) + 1  # the one that the reader asked for last is still on its way
            self._taken = self._taken[-unsent:]
            self._taken_weight = _weight_of(self._taken)
        waiting = len(self._events) + len(self._taken)
        # An event over the limit by itself passes when nothing waits: nobody could ever get it otherwise.
        fits = self._weight + self._taken_weight + weight <= self._weight_max
        return not waiting or (waiting < self._events_max and fits)

    def wake(self) -> None:
        """Rouse whoever waits, to look around."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():  # done: its task was cancelled meanwhile
            waiter.set_result(None)


def offer_to_all(streams: Iterable[PushStream], event: PushEvent) -> int:
    """Offer an event to each stream and return how many took it.

    Written out for all streams at once: a method call for each would cost half as much again.
    """
    weight = event.weight_bytes
    took = 0
    for stream in streams:
        waiter = stream._waiter
        if waiter is not None:
            # Its reader has sent all there was and waits: the stream has not ended, and what is alone always fits.
            stream._waiter = None
            stream._events.append(event)
            stream._weight = weight
            if not waiter.done():  # done: its task was cancelled meanwhile
                waiter.set_result(None)
        elif stream.ended is not None:
            continue
        else:
            events = stream._events
            total = stream._weight + weight
            if (
                len(events) + len(stream._taken) >= stream._events_max
                or total + stream._taken_weight > stream._weight_max
            ) and not stream._has_room(weight):
                stream.end(StreamEnd.OVERFLOW)
                continue
            events.append(event)
            stream._weight = total
        took += 1
    return took


def _weight_of(events: Iterable[PushEvent]) -> int:
    return sum(event.weight_bytes for event in events)
