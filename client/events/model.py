"""An event as a player's program sees it."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from galaxy.edge.v1 import edge_pb2
from galaxy.edge.v1.signing import SERVER_TIME_EVENT_TYPE

CONNECTED = SERVER_TIME_EVENT_TYPE
HEARTBEAT = "gateway.heartbeat"
RESYNC_REQUIRED = "gateway.resync_required"


@dataclass(frozen=True)
class Event:
    """One verified event.

    `event_type` is `gateway.server_time` (a stream has begun, or begun anew), `gateway.resync_required` (events of
    `payload["lane"]` were lost: read what matters afresh), a signal such as `game.changed`, or `notification.<type>`.
    """

    event_type: str
    event_id: str
    happened_at: datetime
    cursor: str
    payload: dict[str, Any]
    request_id: str
    trace_id: str

    @property
    def lane(self) -> str:
        """Return the lane that the cursor belongs to, empty for the gateway's own events."""
        return lane_of(self.cursor)


def lane_of(cursor: str) -> str:
    """Return the part of a cursor before its first colon."""
    return cursor.partition(":")[0] if cursor else ""


def from_wire(event: edge_pb2.Event) -> Event:
    """Turn a verified event of the wire into ours. Raises ValueError where the payload is no JSON object."""
    payload = json.loads(event.payload_bytes) if event.payload_bytes else {}
    if not isinstance(payload, dict):
        raise ValueError("the payload of an event is a JSON object")  # noqa: TRY004 - bad data, not a bad call
    return Event(
        event_type=event.event_type,
        event_id=event.event_id,
        happened_at=datetime.fromtimestamp(event.timestamp_ms / 1000, UTC),
        cursor=event.cursor,
        payload=payload,
        request_id=event.request_id,
        trace_id=event.trace_id,
    )
