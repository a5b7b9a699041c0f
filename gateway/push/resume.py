"""Reading a subscription's payload: {"resume_after": [{"lane", "cursor"}]}, or nothing."""

from typing import Any

import orjson

from gateway.envelope.errors import MalformedField
from gateway.push.model import Cursor, Lane

_FIELD = "payload_bytes"


def resume_after(payload: bytes) -> list[Cursor]:
    """Return where to go on, at most one cursor a lane. Raises MalformedField."""
    if not payload:
        return []
    try:
        body: Any = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise MalformedField(_FIELD, "wants a JSON object") from error
    if not isinstance(body, dict) or body.keys() - {"resume_after"}:
        raise MalformedField(_FIELD, "knows only resume_after")
    listed = body.get("resume_after", [])
    if not isinstance(listed, list) or len(listed) > len(Lane):
        raise MalformedField(_FIELD, "resume_after wants a list of one entry a lane")
    cursors = [_cursor(entry) for entry in listed]
    if len({cursor.lane for cursor in cursors}) != len(cursors):
        raise MalformedField(_FIELD, "resume_after names a lane twice")
    return cursors


def _cursor(entry: Any) -> Cursor:
    if not isinstance(entry, dict) or entry.keys() != {"lane", "cursor"}:
        raise MalformedField(_FIELD, "resume_after entries want lane and cursor")
    try:
        cursor = Cursor.parse(str(entry["cursor"]))
    except ValueError as error:
        raise MalformedField(_FIELD, "resume_after holds no cursor of this gateway") from error
    if entry["lane"] != cursor.lane:
        raise MalformedField(_FIELD, "resume_after gives a cursor of another lane")
    return cursor
