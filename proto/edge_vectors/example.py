"""One example: fields as they arrive, the bytes under its signature, and how it is written down."""

from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from edge_vectors.keys import DEVICE, TestKey
from galaxy.edge.v1.signing import canonical

Fields = dict[str, Any]

# Under each kind of signature: its domain and the fields in order. `request_payload_hash` comes from what was asked.
LAYOUT: dict[str, tuple[str, tuple[str, ...]]] = {
    "request": (
        "galaxy-request-v1",
        (
            "protocol_version",
            "device_session_id",
            "message_type",
            "timestamp_ms",
            "request_id",
            "idempotency_key",
            "payload_hash",
        ),
    ),
    "response": (
        "galaxy-response-v1",
        (
            "protocol_version",
            "device_session_id",
            "request_id",
            "request_payload_hash",
            "timestamp_ms",
            "result_code",
            "payload_hash",
            "key_id",
        ),
    ),
    "event": (
        "galaxy-event-v1",
        ("user_id", "event_type", "event_id", "cursor", "timestamp_ms", "payload_hash", "key_id"),
    ),
    "server_time_event": (
        "galaxy-event-v1",
        (
            "device_session_id",
            "event_type",
            "event_id",
            "request_id",
            "timestamp_ms",
            "payload_hash",
            "key_id",
        ),
    ),
    "refusal": (
        "galaxy-refusal-v1",
        ("device_session_id", "request_id", "reason", "server_time_ms", "key_id"),
    ),
}


@dataclass(frozen=True)
class Vector:
    """One example before it is written: fields as they arrive, and what was signed."""

    kind: str
    name: str
    why: str
    fields: Fields
    asked: Fields = field(default_factory=dict)
    payload: bytes | None = None
    key: TestKey = DEVICE
    signed: bytes | None = None
    signature: bytes | None = None
    fails_at: str | None = None

    def canonical(self) -> bytes:
        """Build the bytes that a verifier builds from what arrived."""
        domain, names = LAYOUT[self.kind]
        # What the client asked wins: a verifier signs its own question into the answer, never the answer's word for it.
        known = {**self.fields, **self.asked}
        if self.kind == "response":
            known["request_payload_hash"] = self.asked["payload_hash"]
            known["payload_hash"] = self.fields["payload_hash"]
            known["request_id"] = self.fields["request_id"]
        return canonical(domain, *(known[name] for name in names))

    def signs(self, domain: str | None = None, **instead: Any) -> "Vector":
        """Return the vector with a signature over other values than those that arrive."""
        own, names = LAYOUT[self.kind]
        known = {**self.fields, **self.asked}
        if self.kind == "response":
            known |= {
                "request_payload_hash": self.asked["payload_hash"],
                "payload_hash": self.fields["payload_hash"],
            }
        return replace(self, signed=canonical(domain or own, *({**known, **instead}[n] for n in names)))

    def as_json(self) -> dict[str, Any]:
        """Write the example as it stands in the file."""
        message = self.canonical()
        signature = (
            self.signature if self.signature is not None else self.key.private.sign(self.signed or message)
        )
        out: dict[str, Any] = {"name": self.name, "why": self.why}
        if self.asked:
            out["asked"] = _written(self.asked)
        out["fields"] = _written(self.fields)
        if self.payload is not None:
            out["payload"] = self.payload.hex()
        out["canonical"] = message.hex()
        if self.signed is not None:
            out["signed"] = self.signed.hex()
        out |= {"signature": signature.hex(), "verdict": "invalid" if self.fails_at else "valid"}
        if self.fails_at:
            out["fails_at"] = self.fails_at
        return out


def _written(fields: Fields) -> dict[str, str]:
    return {k: v.hex() if isinstance(v, bytes) else str(v) for k, v in fields.items()}


def with_payload(vector: Vector, payload: bytes) -> Vector:
    fields = {**vector.fields, "payload_hash": sha256(payload).digest()}
    return replace(vector, payload=payload, fields=fields)
