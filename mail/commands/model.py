"""A stream entry as a command."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from kit.addresses import normalise_address
from kit.ids import is_uuid
from kit.streams import Entry, Malformed
from mail.deliveries.model import NewDelivery
from mail.templates.errors import TemplateRefusal
from mail.templates.renderer import Templates

_WORD = re.compile(r"[a-z][a-z0-9_.]{0,63}")
_KEY_CHARACTERS_MAX = 200
_VARIABLES_BYTES_MAX = 32 * 1024
_URL_CHARACTERS_MAX = 2000


@dataclass(frozen=True)
class Erase:
    """Forget a user: end what is open, take addresses and content out."""

    user_id: str


Command = NewDelivery | Erase


def parse_command(entry: Entry, templates: Templates) -> Command:
    """Understand one entry. Raises Malformed with a reason that quotes no payload."""
    fields = _Fields(entry)
    match fields.text("kind"):
        case "send":
            return _send(entry, fields, templates)
        case "erase":
            user_id = fields.text("user_id")
            if not user_id or len(user_id) > _KEY_CHARACTERS_MAX:
                raise Malformed("user_id: an erase command wants one")
            return Erase(user_id)
        case _:
            raise Malformed("kind: neither send nor erase")


def _send(entry: Entry, fields: "_Fields", templates: Templates) -> NewDelivery:
    delivery_id = fields.text("delivery_id")
    if not is_uuid(delivery_id):
        raise Malformed("delivery_id: no UUID")
    source, template_id = fields.word("source"), fields.text("template_id")
    key = fields.text("idempotency_key")
    if not 0 < len(key) <= _KEY_CHARACTERS_MAX:
        raise Malformed("idempotency_key: empty or too long")
    to = normalise_address(fields.text("to").strip())
    if to is None:
        raise Malformed("to: no bare address that can be written to")
    if not templates.knows(template_id):
        raise Malformed("template_id: no template of that name")
    unsubscribe_url = fields.text("unsubscribe_url", optional=True)
    if len(unsubscribe_url) > _URL_CHARACTERS_MAX or (
        unsubscribe_url and not unsubscribe_url.startswith(("http://", "https://"))
    ):
        raise Malformed("unsubscribe_url: no web address")
    sealed = fields.text("sealed", optional=True) == "1"
    written = fields.text("variables_json")
    if len(written) > _VARIABLES_BYTES_MAX:
        raise Malformed("variables_json: too long")
    variables = None if sealed else _variables(written, template_id, templates)
    locale = fields.text("locale", optional=True)[:35]
    return NewDelivery(
        delivery_id=delivery_id,
        source=source,
        idempotency_key=key,
        template_id=template_id,
        locale=locale,
        to=to,
        variables=variables,
        sealed_variables=written if sealed else None,
        unsubscribe_url=unsubscribe_url,
        user_id=fields.text("user_id", optional=True)[:_KEY_CHARACTERS_MAX] or None,
        expires_at=fields.instant("expires_at"),
        occurred_at=fields.instant("occurred_at") or _stamp(entry),
        request_id=fields.text("request_id", optional=True)[:128],
        trace_id=fields.text("trace_id", optional=True)[:64],
        body_hash=_body_hash(template_id, locale, to, written),
        stream_id=entry.id,
    )


def _variables(written: str, template_id: str, templates: Templates) -> dict[str, Any]:
    try:
        variables = orjson.loads(written)
    except orjson.JSONDecodeError:
        raise Malformed("variables_json: no JSON") from None
    if not isinstance(variables, dict):
        raise Malformed("variables_json: no object")
    if "\\u0000" in written:
        raise Malformed("variables_json: holds NUL")
    try:
        templates.check(template_id, variables)
    except TemplateRefusal as refusal:
        raise Malformed(str(refusal)) from None
    return variables


def _body_hash(*parts: str) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.digest()


def _stamp(entry: Entry) -> datetime:
    return datetime.fromtimestamp(int(entry.id.partition("-")[0]) / 1000, UTC)


class _Fields:
    """The fields of an entry as text."""

    def __init__(self, entry: Entry) -> None:
        self._fields = entry.fields

    def text(self, name: str, *, optional: bool = False) -> str:
        raw = self._fields.get(name.encode())
        if raw is None:
            if optional:
                return ""
            raise Malformed(f"{name}: missing")
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            raise Malformed(f"{name}: no UTF-8") from None
        if "\x00" in text:
            raise Malformed(f"{name}: holds NUL")
        return text

    def word(self, name: str) -> str:
        text = self.text(name)
        if not _WORD.fullmatch(text):
            raise Malformed(f"{name}: no plain word")
        return text

    def instant(self, name: str) -> datetime | None:
        text = self.text(name, optional=True)
        if not text:
            return None
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            raise Malformed(f"{name}: no RFC 3339 instant") from None
        if instant.tzinfo is None:
            raise Malformed(f"{name}: has no time zone")
        return instant
