"""From the stream into the hub, and from the stream for those who resume."""

import asyncio
from collections.abc import Callable, Sequence

from gateway.client_events.model import MalformedEntry, read_entry
from gateway.client_events.ports import EventSink
from gateway.push.model import Cursor, Lane, PushEvent
from gateway.stream_tail.model import Id, TailEntry, format_id
from gateway.stream_tail.storage import TailStorage
from kit.logs import get_logger
from kit.redis_pool import RedisUnavailable

_log = get_logger("client_events")
_PAGE = 500
_ENTRIES_MAX = 20_000
_READERS = 4


class ClientEvents:
    """Takes what the tail reader reads (gateway.stream_tail.ports.TailHandler)."""

    def __init__(self, sink: EventSink, event_bytes_max: int, on_lost: Callable[[int], None]) -> None:
        self._sink = sink
        self._event_bytes_max = event_bytes_max
        self._on_lost = on_lost

    def began(self, epoch: str, after: Id, *, gap: bool) -> None:
        """Begin the lane."""
        self._sink.lane_began(Cursor(Lane.STREAM, epoch, after), gap=gap)

    def take(self, entry: TailEntry) -> None:
        """Publish an entry, or drop it with a word."""
        try:
            event = read_entry(entry, self._event_bytes_max)
        except MalformedEntry as error:
            self._sink.malformed("client_events", format_id(entry.id), str(error))
            return
        self._sink.publish(event)

    def lost(self, count: int) -> None:
        """Count what was trimmed unread."""
        self._on_lost(count)


class ClientEventsSource:
    """Reads the stream's past for clients that resume from before this gateway's own history."""

    lane = Lane.STREAM

    def __init__(self, storage: TailStorage, event_bytes_max: int) -> None:
        self._storage = storage
        self._event_bytes_max = event_bytes_max
        self._gate = asyncio.Semaphore(_READERS)

    async def read(self, user_id: str, after: Cursor, through: Cursor) -> Sequence[PushEvent] | None:
        """Return a user's events in (after, through], or None where the stream does not reach back or cannot be asked."""
        async with self._gate:
            try:
                return await self._read(user_id, after, _id(through))
            except RedisUnavailable as error:
                _log.warning("client_events_unreadable", after=str(after), reason=str(error))
                return None

    async def _read(self, user_id: str, after: Cursor, through: Id) -> Sequence[PushEvent] | None:
        events: list[PushEvent] = []
        at = _id(after)
        seen = 0
        while at < through:
            entries = await self._storage.range(after.epoch, at, through, _PAGE)
            for entry in entries:
                try:
                    event = read_entry(entry, self._event_bytes_max)
                except MalformedEntry:
                    continue  # dropped when it was live, too
                if event.user_id == user_id:
                    events.append(event)
            seen += len(entries)
            if seen > _ENTRIES_MAX:
                return None
            if len(entries) < _PAGE:
                break
            at = entries[-1].id
        # Asked last: what was trimmed or flushed while we read must count as gone.
        state = await self._storage.state()
        if state.epoch != after.epoch or state.first_id is None or state.first_id > _id(after):
            return None
        return events


def _id(cursor: Cursor) -> Id:
    return cursor.position[0], cursor.position[1]
