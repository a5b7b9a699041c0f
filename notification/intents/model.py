"""A stream entry as an intent."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from kit.ids import is_uuid
from kit.streams import Entry, Malformed
from notification.catalog import AudienceKind, Catalog, NotificationType, PayloadMismatch

RECIPIENTS_MAX = 500
PAYLOAD_BYTES_MAX = 16 * 1024
KEY_CHARACTERS_MAX = 200
_PRODUCER_CHARACTERS_MAX = 64


@dataclass(frozen=True)
class Intent:
    """Something that people should know."""

    kind: NotificationType
    producer: str
    idempotency_key: str
    recipient_user_ids: tuple[str, ...]
    payload: Mapping[str, Any]
    occurred_at: datetime
    request_id: str
    trace_id: str
    stream_id: str
    body_hash: bytes

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what makes it one and the same."""
        return (self.producer, self.kind.name, self.idempotency_key)


def parse_intent(entry: Entry, catalog: Catalog) -> Intent:
    """Understand one entry. Raises Malformed with a reason that quotes no payload."""
    fields = {name: _text(entry, name) for name in ("notification_type", "producer", "idempotency_key")}
    kind = catalog.find(fields["notification_type"])
    if kind is None:
        raise Malformed("notification_type: not in the catalog")
    if not 0 < len(fields["producer"]) <= _PRODUCER_CHARACTERS_MAX:
        raise Malformed("producer: empty or too long")
    if not 0 < len(fields["idempotency_key"]) <= KEY_CHARACTERS_MAX:
        raise Malformed("idempotency_key: empty or too long")
    if _text(entry, "audience_kind") != kind.audience:
        raise Malformed(f"audience_kind: {kind.name} is for {kind.audience}")
    recipients = _recipients(entry, kind)
    written = _text(entry, "payload_json")
    payload = _payload(written, kind, catalog)
    if kind.ends_user and recipients != (payload["user_id"],):
        raise Malformed("recipient_user_ids: not the user of the payload")
    return Intent(
        kind=kind,
        producer=fields["producer"],
        idempotency_key=fields["idempotency_key"],
        recipient_user_ids=recipients,
        payload=payload,
        occurred_at=_instant(entry, "occurred_at"),
        request_id=_text(entry, "request_id", optional=True)[:128],
        trace_id=_text(entry, "trace_id", optional=True)[:64],
        stream_id=entry.id,
        body_hash=_body_hash(recipients, payload),
    )


def _payload(written: str, kind: NotificationType, catalog: Catalog) -> dict[str, Any]:
    if len(written.encode()) > PAYLOAD_BYTES_MAX:
        raise Malformed("payload_json: too long")
    try:
        payload = orjson.loads(written)
    except orjson.JSONDecodeError:
        raise Malformed("payload_json: no JSON") from None
    if "\\u0000" in written:
        raise Malformed("payload_json: holds NUL")
    try:
        catalog.check(kind.name, payload)
    except PayloadMismatch as mismatch:
        raise Malformed(str(mismatch)) from None
    checked: dict[str, Any] = payload
    return checked


def _recipients(entry: Entry, kind: NotificationType) -> tuple[str, ...]:
    try:
        listed = orjson.loads(_text(entry, "recipient_user_ids") or "[]")
    except orjson.JSONDecodeError:
        raise Malformed("recipient_user_ids: no JSON") from None
    if not isinstance(listed, list) or not all(isinstance(one, str) and is_uuid(one) for one in listed):
        raise Malformed("recipient_user_ids: no list of UUIDs")
    recipients = tuple(dict.fromkeys(listed))
    if kind.audience is AudienceKind.ADMIN and recipients:
        raise Malformed("recipient_user_ids: an admin type names none")
    if kind.audience is AudienceKind.USER and not 0 < len(recipients) <= RECIPIENTS_MAX:
        raise Malformed("recipient_user_ids: none, or too many")
    return recipients


def _body_hash(recipients: tuple[str, ...], payload: Mapping[str, Any]) -> bytes:
    body = {"recipients": sorted(recipients), "payload": payload}
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).digest()


def _text(entry: Entry, name: str, *, optional: bool = False) -> str:
    raw = entry.fields.get(name.encode())
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


def _instant(entry: Entry, name: str) -> datetime:
    try:
        instant = datetime.fromisoformat(_text(entry, name))
    except ValueError:
        raise Malformed(f"{name}: no RFC 3339 instant") from None
    if instant.tzinfo is None:
        raise Malformed(f"{name}: has no time zone")
    return instant
