"""What was published lately, so that a stream can go on where another broke off.

Each lane has a floor: the history is whole above it. The floor rises when events are let go by age or by the bound on all
bytes, which happens in the order of arrival; what one user's own bound lets go raises a floor of that user alone.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from gateway.push.model import Cursor, Lane, PushEvent
from kit.clock import Clock


@dataclass(frozen=True, slots=True)
class Recall:
    """What history knows of the time after a cursor."""

    events: list[PushEvent]
    """All events above `whole_after`, in order."""
    whole_after: Cursor
    """Where that begins; above the cursor asked for, the events in between must come from the source."""
    has_gap: bool


@dataclass(slots=True)
class _Lane:
    epoch: str
    floor: tuple[int, ...]


@dataclass(slots=True)
class _User:
    kept: "deque[_Entry]" = field(default_factory=deque)
    floors: dict[tuple[Lane, str], tuple[int, ...]] = field(default_factory=dict)
    """What this user's own bound let go, by lane and epoch."""
    entries: int = 0
    """Entries in the order of arrival that still name this user, let go or not."""


@dataclass(eq=False, slots=True)
class _Entry:
    user: _User
    user_id: str
    cursor: Cursor
    arrived_at: float
    event: PushEvent | None


class History:
    """Events of all users in the order of arrival, bounded by number a user, by age, and by bytes altogether."""

    def __init__(self, clock: Clock, events_max: int, bytes_max: int, retention: timedelta) -> None:
        self._clock = clock
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._retention_seconds = retention.total_seconds()
        self._lanes: dict[Lane, _Lane] = {}
        self._users: dict[str, _User] = {}
        self._arrivals: deque[_Entry] = deque()
        self._bytes = 0

    @property
    def weight_bytes(self) -> int:
        """Return what all kept events weigh."""
        return self._bytes

    @property
    def users(self) -> int:
        """Return how many users have something kept."""
        return len(self._users)

    def begin(self, start: Cursor) -> None:
        """Begin a lane, or begin it anew behind a gap: from `start` on it will be whole."""
        self._lanes[start.lane] = _Lane(start.epoch, start.position)

    def append(self, event: PushEvent) -> None:
        """Keep an event with a cursor of its lane's present epoch."""
        cursor = event.cursor
        assert cursor is not None, "events of the gateway itself are not kept"
        assert self._lanes[cursor.lane].epoch == cursor.epoch, "the lane was not begun"
        user = self._users.get(event.user_id)
        if user is None:
            user = self._users[event.user_id] = _User()
        entry = _Entry(user, event.user_id, cursor, self._clock.monotonic(), event)
        self._arrivals.append(entry)
        user.kept.append(entry)
        user.entries += 1
        self._bytes += event.weight_bytes
        if len(user.kept) > self._events_max:
            oldest = user.kept.popleft()
            user.floors[oldest.cursor.lane, oldest.cursor.epoch] = oldest.cursor.position
            self._let_go(oldest)
        self._expire()

    def recall(self, user_id: str, after: Cursor) -> Recall | None:
        """Return what is known after a cursor, or None where its life of the lane is not the present one."""
        self._expire()
        lane = self._lanes.get(after.lane)
        if lane is None or lane.epoch != after.epoch:
            return None
        user = self._users.get(user_id)
        own_floor = user.floors.get((after.lane, after.epoch), lane.floor) if user else lane.floor
        floor = max(lane.floor, own_floor)
        begins = max(floor, after.position)
        kept = user.kept if user else ()
        events = [event for event in _events(kept, after.lane, after.epoch) if _position(event) > begins]
        return Recall(events, Cursor(after.lane, after.epoch, floor), after.position < floor)

    def _expire(self) -> None:
        oldest_allowed = self._clock.monotonic() - self._retention_seconds
        while self._arrivals and (
            self._arrivals[0].arrived_at < oldest_allowed or self._bytes > self._bytes_max
        ):
            entry = self._arrivals.popleft()
            lane = self._lanes.get(entry.cursor.lane)
            if lane is not None and lane.epoch == entry.cursor.epoch:
                lane.floor = max(lane.floor, entry.cursor.position)
            if entry.event is not None:
                first = entry.user.kept.popleft()
                assert first is entry, "a user's events leave in the order they came"
                self._let_go(entry)
            entry.user.entries -= 1
            if entry.user.entries == 0:
                del self._users[entry.user_id]

    def _let_go(self, entry: _Entry) -> None:
        assert entry.event is not None
        self._bytes -= entry.event.weight_bytes
        entry.event = None


def _events(kept: "deque[_Entry] | tuple[()]", lane: Lane, epoch: str) -> Iterator[PushEvent]:
    for entry in kept:
        if entry.event is not None and entry.cursor.lane is lane and entry.cursor.epoch == epoch:
            yield entry.event


def _position(event: PushEvent) -> tuple[int, ...]:
    assert event.cursor is not None
    return event.cursor.position
