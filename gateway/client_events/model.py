"""Reading entries of the client-events stream."""

from datetime import datetime

import orjson

from gateway.push.model import Cursor, Lane, PushEvent
from gateway.stream_tail.model import TailEntry
from kit.clock import unix_ms

_REQUIRED = ("user_id", "event_type", "event_id")
_PREFIX = "notification."


class MalformedEntry(Exception):
    """An entry that says less than it must, or something else; the text says what, without quoting the payload."""


def read_entry(entry: TailEntry, event_bytes_max: int) -> PushEvent:
    """Turn an entry into an event. Raises MalformedEntry."""
    payload = entry.fields.get(b"payload_bytes", b"")
    if len(payload) > event_bytes_max:
        raise MalformedEntry(f"payload_bytes has {len(payload)} bytes, {event_bytes_max} at most")
    texts = _texts(entry)
    for name in _REQUIRED:
        if not texts.get(name):
            raise MalformedEntry(f"{name} is missing")
    if not texts["event_type"].startswith(_PREFIX):
        raise MalformedEntry(f"event_type does not begin with {_PREFIX}")
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise MalformedEntry("payload_bytes is no JSON") from error
    return PushEvent(
        user_id=texts["user_id"],
        event_type=texts["event_type"],
        event_id=texts["event_id"],
        timestamp_ms=_timestamp_ms(entry, texts.get("occurred_at", "")),
        payload_bytes=payload,
        cursor=Cursor(Lane.STREAM, entry.epoch, entry.id),
        device_session_id=texts.get("device_session_id") or None,
        request_id=texts.get("request_id", ""),
        trace_id=texts.get("trace_id", ""),
    )


def _texts(entry: TailEntry) -> dict[str, str]:
    try:
        return {
            name.decode(): value.decode() for name, value in entry.fields.items() if name != b"payload_bytes"
        }
    except UnicodeDecodeError as error:
        raise MalformedEntry("a field is not UTF-8") from error


def _timestamp_ms(entry: TailEntry, occurred_at: str) -> int:
    if not occurred_at:
        return entry.id[0]
    try:
        instant = datetime.fromisoformat(occurred_at)
    except ValueError as error:
        raise MalformedEntry("occurred_at is no RFC 3339 instant") from error
    if instant.tzinfo is None:
        raise MalformedEntry("occurred_at lacks its zone")
    return unix_ms(instant)
