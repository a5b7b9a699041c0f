"""Values of event streams."""

from dataclasses import dataclass, field
from enum import StrEnum

SERVER_TIME = "gateway.server_time"
HEARTBEAT = "gateway.heartbeat"
RESYNC_REQUIRED = "gateway.resync_required"

_OVERHEAD_BYTES = 256
"""What an event weighs beside its payload: names, ids, signature."""


class Lane(StrEnum):
    """Where events come from; each lane has an order and cursors of its own."""

    PUSH = "push"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position at the source of a lane, the same at every gateway."""

    lane: Lane
    epoch: str
    """Names one life of the source; positions of different lives cannot be compared."""
    position: tuple[int, ...]
    """Compares in the order of the source: (offset) of the push ring, (milliseconds, sequence) of a stream."""

    def __str__(self) -> str:
        return f"{self.lane}:{self.epoch}:{'-'.join(map(str, self.position))}"

    @staticmethod
    def parse(text: str) -> "Cursor":
        """Read what `str` wrote. Raises ValueError."""
        lane_name, _, rest = text.partition(":")
        epoch, _, position = rest.rpartition(":")
        lane = Lane(lane_name)
        numbers = position.split("-")
        if not epoch or len(numbers) != _POSITION_NUMBERS[lane] or not all(_is_number(n) for n in numbers):
            raise ValueError(f"{text!r} is no cursor")
        return Cursor(lane, epoch, tuple(map(int, numbers)))


_POSITION_NUMBERS = {Lane.PUSH: 1, Lane.STREAM: 2}
_DIGITS_MAX = 20


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX


@dataclass(eq=False, slots=True)
class PushEvent:
    """One event of one user; the same object goes to all of the user's streams."""

    user_id: str
    event_type: str
    event_id: str
    timestamp_ms: int
    payload_bytes: bytes
    cursor: Cursor | None = None
    """None for events of the gateway itself."""
    device_session_id: str | None = None
    """Only this session's streams, where set."""
    request_id: str = ""
    trace_id: str = ""
    about_lane: Lane | None = None
    """Which lane a resync is asked of."""
    signed: object | None = field(default=None, repr=False)
    """The signed form, made once by `push.event_signing` for all streams."""

    weight_bytes: int = field(init=False)
    """What the event counts against byte limits; reckoned once, asked for by every stream."""

    def __post_init__(self) -> None:
        self.weight_bytes = len(self.payload_bytes) + _OVERHEAD_BYTES

    def is_for(self, device_session_id: str) -> bool:
        """Tell whether a stream of this session gets the event."""
        return self.device_session_id is None or self.device_session_id == device_session_id


class StreamEnd(StrEnum):
    """Why the gateway ends a stream."""

    REVOKED = "revoked"
    OVERFLOW = "overflow"
    SHUTDOWN = "shutdown"
