"""What stands under the signatures of the edge protocol, byte for byte.

Beside the generated stubs because it is part of the wire: the gateway and every client must build the same bytes.
`vectors.json` holds examples that other languages check themselves against. Signing and verifying are the callers' own:
these functions only build the message.

Form: a domain string, then each field, every part with its length as four bytes big-endian before it. Text is UTF-8,
integers are eight bytes big-endian, an absent field has length 0.
"""

from hashlib import sha256

PROTOCOL_VERSION = "v1"
SUBSCRIBE_MESSAGE_TYPE = "gateway.subscribe_events"
SERVER_TIME_EVENT_TYPE = "gateway.server_time"

Part = str | bytes | int


def canonical(domain: str, *parts: Part) -> bytes:
    """Join a domain string and its fields into the bytes under a signature.

    Integers must be within 0 … 2⁶³ − 1 (OverflowError, as int.to_bytes raises it).
    """
    out = bytearray()
    for part in (domain, *parts):
        raw = part if isinstance(part, bytes) else _bytes(part)
        out += len(raw).to_bytes(4, "big")
        out += raw
    return bytes(out)


def _bytes(part: str | int) -> bytes:
    return part.encode() if isinstance(part, str) else part.to_bytes(8, "big")


def payload_hash(payload_bytes: bytes) -> bytes:
    """Return SHA-256 of a payload, 32 bytes; an empty payload has one too."""
    return sha256(payload_bytes).digest()


def request_message(
    protocol_version: str,
    device_session_id: str,
    message_type: str,
    timestamp_ms: int,
    request_id: str,
    idempotency_key: str,
    payload_hash: bytes,
) -> bytes:
    """Return what the device signs for a command or a subscription (which has an empty idempotency key)."""
    return canonical(
        "galaxy-request-v1",
        protocol_version,
        device_session_id,
        message_type,
        timestamp_ms,
        request_id,
        idempotency_key,
        payload_hash,
    )


def response_message(
    protocol_version: str,
    device_session_id: str,
    request_id: str,
    request_payload_hash: bytes,
    timestamp_ms: int,
    result_code: str,
    payload_hash: bytes,
    key_id: str,
) -> bytes:
    """Return what the gateway signs for the answer to a command."""
    return canonical(
        "galaxy-response-v1",
        protocol_version,
        device_session_id,
        request_id,
        request_payload_hash,
        timestamp_ms,
        result_code,
        payload_hash,
        key_id,
    )


def event_message(
    user_id: str,
    event_type: str,
    event_id: str,
    cursor: str,
    timestamp_ms: int,
    payload_hash: bytes,
    key_id: str,
) -> bytes:
    """Return what the gateway signs for an event: once for all streams of its user.

    For `gateway.server_time`, the first event of a stream, `user_id` is the device session's id and `cursor` the
    subscription's request id, so that it cannot be replayed into another stream.
    """
    return canonical(
        "galaxy-event-v1", user_id, event_type, event_id, cursor, timestamp_ms, payload_hash, key_id
    )


def refusal_message(
    device_session_id: str, request_id: str, reason: str, server_time_ms: int, key_id: str
) -> bytes:
    """Return what the gateway signs when a refusal carries its time."""
    return canonical("galaxy-refusal-v1", device_session_id, request_id, reason, server_time_ms, key_id)


def key_id_of(public_key: bytes) -> str:
    """Return the id under which a gateway key is published: the first 16 hex digits of its SHA-256."""
    return sha256(public_key).hexdigest()[:16]
