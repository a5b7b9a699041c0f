"""The signatures of galaxy.edge.v1, written from vectors.json alone: nothing is shared with the platform's own code."""

import struct
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Field = str | bytes | int

# Under each kind of signature: its domain and the fields in order, as the vectors' `layout` says.
LAYOUT = {
    "request": (
        "galaxy-request-v1",
        "protocol_version device_session_id message_type timestamp_ms request_id idempotency_key payload_hash",
    ),
    "response": (
        "galaxy-response-v1",
        "protocol_version device_session_id request_id request_payload_hash timestamp_ms result_code payload_hash key_id",
    ),
    "event": ("galaxy-event-v1", "user_id event_type event_id cursor timestamp_ms payload_hash key_id"),
    "server_time_event": (
        "galaxy-event-v1",
        "device_session_id event_type event_id request_id timestamp_ms payload_hash key_id",
    ),
    "refusal": ("galaxy-refusal-v1", "device_session_id request_id reason server_time_ms key_id"),
}


def message(kind: str, /, **fields: Field) -> bytes:
    """Join a domain and its fields, each behind its length; an int is eight bytes. Surplus fields are left out."""
    domain, names = LAYOUT[kind]
    out = b""
    for field in (domain, *(fields[name] for name in names.split())):
        raw = field.encode() if isinstance(field, str) else field
        raw = struct.pack(">q", raw) if isinstance(raw, int) else raw
        out += struct.pack(">I", len(raw)) + raw
    return out


def first_failure(
    signature: bytes,
    signed: bytes,
    public_key: bytes | None,
    payload: bytes | None = None,
    payload_hash: bytes = b"",
    *,
    answers_another: bool = False,
) -> str | None:
    """Check what arrived; return the name of the first check that fails. A refusal has no payload."""
    if len(signature) != 64 or (payload is not None and len(payload_hash) != 32):
        return "size"
    if payload is not None and sha256(payload).digest() != payload_hash:
        return "payload_hash"
    if answers_another:
        return "request_id"
    if public_key is None:
        return "key"
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, signed)
    except InvalidSignature:
        return "signature"
    return None
