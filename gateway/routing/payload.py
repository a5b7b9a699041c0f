"""Splitting a payload without touching what is left of it.

Fields named in the path are cut out of the JSON object; the text of every other member stays byte for byte as the client
wrote it, whether it goes on as body or, for GET, as query.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from gateway.envelope.errors import MalformedField
from gateway.routing.model import BackendRequest, Route

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_WHITESPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()
_PATH_VALUE_CHARS_MAX = 256
_FIELD = "payload_bytes"


@dataclass(frozen=True, slots=True)
class _Member:
    value: object
    text: str
    """The member as the client wrote it, name and value."""
    value_text: str


def backend_request(route: Route, base: str, payload: bytes) -> BackendRequest:
    """Build the backend's call from a payload.

    Raises MalformedField for `payload_bytes` when the payload is no JSON object or lacks a field of the path.
    """
    names = _PLACEHOLDER.findall(route.path)
    reads = route.method == "GET"
    if not names and not reads:
        return BackendRequest(route.method, base + route.path, payload or None)
    members = _members(payload)
    path = base + _PLACEHOLDER.sub(lambda match: _segment(match[1], members), route.path)
    rest = {name: member for name, member in members.items() if name not in names}
    if reads:
        query = urlencode(
            [pair for name, member in rest.items() for pair in _query(name, member)], quote_via=quote
        )
        return BackendRequest(route.method, f"{path}?{query}" if query else path, None)
    body = "{" + ",".join(member.text for member in rest.values()) + "}"
    return BackendRequest(route.method, path, body.encode())


def _segment(name: str, members: Mapping[str, _Member]) -> str:
    member = members.get(name)
    if member is None:
        raise MalformedField(_FIELD, f"lacks {name}")
    value = member.value
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise MalformedField(_FIELD, f"{name} wants text or a whole number")
    text = str(value)
    # "." and ".." would survive encoding and walk the path; servers decode "%2F" before they route, so that a value with "/"
    # would reach a call that this message type does not name.
    if not text or len(text) > _PATH_VALUE_CHARS_MAX or text in {".", ".."} or "/" in text:
        raise MalformedField(_FIELD, f"{name} cannot be part of a path")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError as error:
        raise MalformedField(_FIELD, f"{name} is no valid text") from error


def _query(name: str, member: _Member) -> list[tuple[str, str]]:
    value = member.value
    if value is None:
        return []
    if isinstance(value, str):
        return [(name, _encodable(name, value))]
    if isinstance(value, bool | int | float):
        return [(_encodable(name, name), member.value_text)]
    raise MalformedField(_FIELD, f"{name} must be a plain value here")


def _encodable(name: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise MalformedField(_FIELD, f"{name!a} is no valid text") from error
    return text


def _members(payload: bytes) -> dict[str, _Member]:
    """Read the top level of a JSON object; an empty payload is an empty object."""
    if not payload:
        return {}
    try:
        return _scan(payload.decode())
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError among them
        raise MalformedField(_FIELD, "wants a JSON object in UTF-8") from error


def _scan(text: str) -> dict[str, _Member]:
    members: dict[str, _Member] = {}
    at = _expect(text, 0, "{")
    if text[at : at + 1] == "}":
        _end(text, at + 1)
        return members
    while True:
        begins = at
        if text[at : at + 1] != '"':
            raise ValueError("a member's name is missing")
        name, at = _DECODER.raw_decode(text, at)
        value_begins = _expect(text, at, ":")
        value, ends = _DECODER.raw_decode(text, value_begins)
        if name in members:
            raise ValueError("a member comes twice")
        members[name] = _Member(value, text[begins:ends], text[value_begins:ends])
        at = _skip(text, ends)
        if text[at : at + 1] == "}":
            _end(text, at + 1)
            return members
        at = _expect(text, at, ",")


def _skip(text: str, at: int) -> int:
    match = _WHITESPACE.match(text, at)
    assert match is not None
    return match.end()


def _expect(text: str, at: int, character: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] != character:
        raise ValueError(f"{character} is missing")
    return _skip(text, at + 1)


def _end(text: str, at: int) -> None:
    if _skip(text, at) != len(text):
        raise ValueError("there is more behind the object")
