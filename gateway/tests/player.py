"""A player's device: a key, signed requests, and the check of what the gateway signed."""

import base64
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from galaxy.edge.v1 import edge_pb2, signing
from kit.ids import uuid7


@dataclass
class Player:
    """One device session; `now_ms` may be replaced to have a wrong clock."""

    user_id: str = field(default_factory=uuid7)
    device_session_id: str = field(default_factory=uuid7)
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    clock_skew_ms: int = 0

    @property
    def public_key(self) -> str:
        """Return the public key as the backend gives it."""
        return base64.b64encode(self.key.public_key().public_bytes_raw()).decode()

    def command(
        self, message_type: str, payload: Any = None, **changes: Any
    ) -> edge_pb2.ExecuteCommandRequest:
        """Sign a command; `changes` are made before the signature, `after` ones behind it."""
        after = changes.pop("after", {})
        request = edge_pb2.ExecuteCommandRequest(**self._fields(message_type, payload, changes))
        request.signature = self.key.sign(_message(request, request.idempotency_key))
        _change(request, after)
        return request

    def subscription(self, payload: Any = None, **changes: Any) -> edge_pb2.SubscribeEventsRequest:
        """Sign a subscription."""
        after = changes.pop("after", {})
        fields = self._fields(signing.SUBSCRIBE_MESSAGE_TYPE, payload, changes)
        request = edge_pb2.SubscribeEventsRequest(**fields)
        request.signature = self.key.sign(_message(request, ""))
        _change(request, after)
        return request

    def _fields(self, message_type: str, payload: Any, changes: dict[str, Any]) -> dict[str, Any]:
        payload_bytes = (
            payload if isinstance(payload, bytes) else b"" if payload is None else orjson.dumps(payload)
        )
        fields = {
            "protocol_version": "v1",
            "device_session_id": self.device_session_id,
            "message_type": message_type,
            "timestamp_ms": int(time.time() * 1000) + self.clock_skew_ms,
            "request_id": secrets.token_urlsafe(16),
            "payload_bytes": payload_bytes,
            "payload_hash": signing.payload_hash(payload_bytes),
        }
        return fields | changes


def _message(request: Any, idempotency_key: str) -> bytes:
    return signing.request_message(
        request.protocol_version,
        request.device_session_id,
        request.message_type,
        max(0, request.timestamp_ms),
        request.request_id,
        idempotency_key,
        request.payload_hash,
    )


def _change(request: Any, changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        setattr(request, name, value)


def verify_response(
    key: Ed25519PublicKey, request: edge_pb2.ExecuteCommandRequest, response: edge_pb2.ExecuteCommandResponse
) -> None:
    """Check a response as a client must. Raises InvalidSignature or AssertionError."""
    assert response.request_id == request.request_id
    assert signing.payload_hash(response.payload_bytes) == response.payload_hash
    key.verify(
        response.signature,
        signing.response_message(
            response.protocol_version,
            request.device_session_id,
            response.request_id,
            request.payload_hash,
            response.timestamp_ms,
            response.result_code,
            response.payload_hash,
            response.key_id,
        ),
    )


def verify_event(key: Ed25519PublicKey, signed_for: str, cursor: str, event: edge_pb2.Event) -> None:
    """Check an event as a client must. Raises InvalidSignature or AssertionError."""
    assert signing.payload_hash(event.payload_bytes) == event.payload_hash
    message = signing.event_message(
        signed_for,
        event.event_type,
        event.event_id,
        cursor,
        event.timestamp_ms,
        event.payload_hash,
        event.key_id,
    )
    key.verify(event.signature, message)
