"""The hub: who is listening, and who gets what.

All that changes it is synchronous, so that a publication, a revocation and a registration never overlap; only readers
wait.
"""

import asyncio
import contextlib

from gateway.limits.errors import TooManyStreams
from gateway.push.errors import GatewayShuttingDown
from gateway.push.gateway_events import GatewayEvents
from gateway.push.history import History, Recall
from gateway.push.model import Cursor, Lane, PushEvent, StreamEnd
from gateway.push.stream import PushStream, offer_to_all


class PushHub:
    """All open streams of this process."""

    def __init__(
        self,
        history: History,
        events: GatewayEvents,
        *,
        queue_events_max: int,
        queue_bytes_max: int,
        session_streams_max: int,
    ) -> None:
        self._history = history
        self._events = events
        self._queue_events_max = queue_events_max
        self._queue_bytes_max = queue_bytes_max
        self._session_streams_max = session_streams_max
        self._by_session: dict[str, set[PushStream]] = {}
        self._by_user: dict[str, set[PushStream]] = {}
        self._seated: dict[str, set[PushStream]] = {}
        """By session, those that count against its limit."""
        self._closed = False
        self._begun: dict[Lane, asyncio.Event] = {lane: asyncio.Event() for lane in Lane}

    @property
    def open_streams(self) -> int:
        """Return how many streams are registered."""
        return sum(map(len, self._by_session.values()))

    def open_sessions(self) -> list[str]:
        """Return the sessions that have a stream, each once."""
        return list(self._by_session)

    def register(self, device_session_id: str) -> PushStream:
        """Register a stream before its session is looked up: from now on a revocation of the session reaches it.

        It takes none of the session's places yet: nobody has shown that they may. Raises GatewayShuttingDown.
        """
        if self._closed:
            raise GatewayShuttingDown
        stream = PushStream(device_session_id, self._queue_events_max, self._queue_bytes_max)
        self._by_session.setdefault(device_session_id, set()).add(stream)
        return stream

    def attach(self, stream: PushStream, user_id: str) -> None:
        """Tell whose stream it is: from now on the user's events reach it."""
        stream.user_id = user_id
        self._by_user.setdefault(user_id, set()).add(stream)

    def seat(self, stream: PushStream) -> None:
        """Give a stream one of its session's places, behind the signature. Raises TooManyStreams."""
        if len(self._seated.get(stream.device_session_id, ())) >= self._session_streams_max:
            raise TooManyStreams
        self._seated.setdefault(stream.device_session_id, set()).add(stream)

    def remove(self, stream: PushStream) -> None:
        """Forget a stream. Harmless when it is not there."""
        _discard(self._seated, stream.device_session_id, stream)
        _discard(self._by_session, stream.device_session_id, stream)
        _discard(self._by_user, stream.user_id, stream)

    def publish(self, event: PushEvent) -> int:
        """Give an event to its user's streams and to history; return how many streams took it."""
        if event.cursor is not None:
            self._history.append(event)
        streams = self._by_user.get(event.user_id, ())
        if event.device_session_id is not None:
            streams = {stream for stream in streams if event.is_for(stream.device_session_id)}
        return offer_to_all(streams, event)

    def begin_lane(self, start: Cursor, *, gap: bool) -> None:
        """Begin a lane at a position; with `gap` every open stream hears that events of the lane may be missing."""
        self._history.begin(start)
        self._begun[start.lane].set()
        if not gap:
            return
        for user_id, streams in self._by_user.items():
            event = self._events.resync_required(user_id, start.lane)
            for stream in streams:
                stream.offer(event)

    async def until_begun(self, lane: Lane, timeout_seconds: float) -> None:
        """Wait a moment for a lane that has not begun yet, as after a start of this process."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._begun[lane].wait()

    def resume(self, stream: PushStream, after: Cursor) -> Recall | None:
        """Return what the stream's user should get after a cursor; from here on the stream itself gets what is new.

        None where the cursor belongs to another life of its lane. What waits in the stream of that lane is dropped, since
        history has it too.
        """
        recall = self._history.recall(stream.user_id, after)
        if recall is None:
            return None
        stream.forget_lane(after.lane)
        mine = [event for event in recall.events if event.is_for(stream.device_session_id)]
        return Recall(mine, recall.whole_after, recall.has_gap)

    def revoke_device_session(self, device_session_id: str, reason: str) -> int:
        """End the streams of one session; return how many."""
        streams = self._by_session.get(device_session_id, set())
        for stream in streams:
            stream.end(StreamEnd.REVOKED, reason)
        return len(streams)

    def revoke_all_for_user(self, user_id: str, reason: str) -> list[str]:
        """End all streams of a user; return their sessions."""
        streams = self._by_user.get(user_id, set())
        for stream in streams:
            stream.end(StreamEnd.REVOKED, reason)
        return sorted({stream.device_session_id for stream in streams})

    def close(self) -> None:
        """End every stream and register no more."""
        self._closed = True
        for streams in self._by_session.values():
            for stream in streams:
                stream.end(StreamEnd.SHUTDOWN)


def _discard(index: dict[str, set[PushStream]], key: str, stream: PushStream) -> None:
    streams = index.get(key)
    if streams is not None:
        streams.discard(stream)
        if not streams:
            del index[key]
