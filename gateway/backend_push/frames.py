"""Reading frames of the push protocol."""

import orjson
from google.protobuf.timestamp_pb2 import Timestamp

from galaxy.push.v1 import push_pb2
from gateway.backend_push.model import Frame, Gap, Malformed, SessionInvalid, UserInvalid
from gateway.push.model import Cursor, Lane, PushEvent

_FIRST_MS = 1


class _Unreadable(Exception):
    """What the frame lacks."""


def read_frame(frame: push_pb2.PushEvent, event_bytes_max: int) -> Frame:
    """Return a frame's place and what it means, which may be Malformed."""
    cursor = Cursor(Lane.PUSH, frame.epoch, (frame.offset,))
    try:
        match frame.WhichOneof("kind"):
            case "client_event":
                return Frame(cursor, _client_event(frame, cursor, event_bytes_max))
            case "session_invalidation":
                return Frame(cursor, _invalidation(frame.session_invalidation))
            case "resync":
                return Frame(cursor, Gap())
            case _:
                return Frame(cursor, Malformed("no kind that this gateway knows"))
    except _Unreadable as problem:
        return Frame(cursor, Malformed(str(problem)))


def _client_event(frame: push_pb2.PushEvent, cursor: Cursor, event_bytes_max: int) -> PushEvent:
    event = frame.client_event
    for name in ("user_id", "event_type", "event_id"):
        if not getattr(event, name):
            raise _Unreadable(f"{name} is empty")
    _check_payload(event.payload_bytes, event_bytes_max)
    return PushEvent(
        user_id=event.user_id,
        event_type=event.event_type,
        event_id=event.event_id,
        timestamp_ms=_unix_ms(frame.occurred_at),
        payload_bytes=event.payload_bytes,
        cursor=cursor,
        device_session_id=event.device_session_id or None,
        request_id=frame.request_id,
        trace_id=frame.trace_id,
    )


def _invalidation(invalidation: push_pb2.SessionInvalidation) -> SessionInvalid | UserInvalid:
    if invalidation.device_session_id:
        return SessionInvalid(invalidation.device_session_id, invalidation.reason)
    if invalidation.user_id:
        return UserInvalid(invalidation.user_id, invalidation.reason)
    raise _Unreadable("an invalidation without a target")


def _check_payload(payload: bytes, bytes_max: int) -> None:
    if len(payload) > bytes_max:
        raise _Unreadable(f"a payload of {len(payload)} bytes, {bytes_max} at most")
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise _Unreadable("a payload that is no JSON") from error


def _unix_ms(at: Timestamp) -> int:
    return max(_FIRST_MS, at.seconds * 1000 + at.nanos // 1_000_000)
