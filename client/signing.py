"""Signs what this device says and verifies what the gateway answers.

The bytes under a signature are built by `galaxy.edge.v1.signing`; here they meet keys. Verification is bound to the
question: the caller's own session, request id and payload hash go in, never the answer's word for them.
"""

import hmac
import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from client.errors import Forged
from galaxy.edge.v1 import signing as wire
from galaxy.edge.v1.edge_pb2 import (
    Event,
    ExecuteCommandRequest,
    ExecuteCommandResponse,
    RefusalDetail,
    SubscribeEventsRequest,
)

SIGNATURE_BYTES = 64
HASH_BYTES = 32


@dataclass(frozen=True)
class DeviceSigner:
    """The device's own voice: its session and its key."""

    device_session_id: str
    private_key: Ed25519PrivateKey

    def command(
        self, message_type: str, payload: bytes, idempotency_key: str, timestamp_ms: int
    ) -> ExecuteCommandRequest:
        """Return a signed command under a fresh request id."""
        request = ExecuteCommandRequest(
            protocol_version=wire.PROTOCOL_VERSION,
            device_session_id=self.device_session_id,
            message_type=message_type,
            timestamp_ms=timestamp_ms,
            request_id=new_request_id(),
            payload_bytes=payload,
            payload_hash=wire.payload_hash(payload),
            idempotency_key=idempotency_key,
        )
        request.signature = self._sign(request, idempotency_key)
        return request

    def subscription(self, payload: bytes, timestamp_ms: int) -> SubscribeEventsRequest:
        """Return a signed subscription under a fresh request id."""
        request = SubscribeEventsRequest(
            protocol_version=wire.PROTOCOL_VERSION,
            device_session_id=self.device_session_id,
            message_type=wire.SUBSCRIBE_MESSAGE_TYPE,
            timestamp_ms=timestamp_ms,
            request_id=new_request_id(),
            payload_bytes=payload,
            payload_hash=wire.payload_hash(payload),
        )
        request.signature = self._sign(request, "")
        return request

    def _sign(self, request: ExecuteCommandRequest | SubscribeEventsRequest, idempotency_key: str) -> bytes:
        return self.private_key.sign(
            wire.request_message(
                request.protocol_version,
                request.device_session_id,
                request.message_type,
                request.timestamp_ms,
                request.request_id,
                idempotency_key,
                request.payload_hash,
            )
        )


def new_request_id() -> str:
    """Return 128 random bits as 22 characters of base64url."""
    return secrets.token_urlsafe(16)


def verify_response(
    response: ExecuteCommandResponse, asked: ExecuteCommandRequest, public_key: bytes
) -> None:
    """Accept an answer to `asked`, or raise Forged."""
    _check_payload("The answer", response.payload_bytes, response.payload_hash)
    if response.request_id != asked.request_id:
        raise Forged("The answer belongs to another request.")
    _check(
        "The answer",
        public_key,
        response.signature,
        wire.response_message(
            response.protocol_version,
            asked.device_session_id,
            asked.request_id,
            asked.payload_hash,
            response.timestamp_ms,
            response.result_code,
            response.payload_hash,
            response.key_id,
        ),
    )


def verify_event(event: Event, user_id: str, public_key: bytes) -> None:
    """Accept an event for `user_id`, or raise Forged."""
    what = f"The event {event.event_type}"
    _check_payload(what, event.payload_bytes, event.payload_hash)
    _check(
        what,
        public_key,
        event.signature,
        wire.event_message(
            user_id,
            event.event_type,
            event.event_id,
            event.cursor,
            event.timestamp_ms,
            event.payload_hash,
            event.key_id,
        ),
    )


def verify_server_time_event(event: Event, asked: SubscribeEventsRequest, public_key: bytes) -> None:
    """Accept the first event of the stream that `asked` opened, or raise Forged."""
    what = "The first event of the stream"
    _check_payload(what, event.payload_bytes, event.payload_hash)
    _check(
        what,
        public_key,
        event.signature,
        wire.event_message(
            asked.device_session_id,
            event.event_type,
            event.event_id,
            asked.request_id,
            event.timestamp_ms,
            event.payload_hash,
            event.key_id,
        ),
    )


def verify_refusal(
    detail: RefusalDetail, asked: ExecuteCommandRequest | SubscribeEventsRequest, public_key: bytes
) -> None:
    """Accept the time in a refusal of `asked`, or raise Forged."""
    _check(
        "The gateway's time",
        public_key,
        detail.signature,
        wire.refusal_message(
            asked.device_session_id, asked.request_id, detail.reason, detail.server_time_ms, detail.key_id
        ),
    )


def _check_payload(what: str, payload: bytes, payload_hash: bytes) -> None:
    if len(payload_hash) != HASH_BYTES or not hmac.compare_digest(wire.payload_hash(payload), payload_hash):
        raise Forged(f"{what} was changed on its way: the payload is not what its hash says.")


def _check(what: str, public_key: bytes, signature: bytes, message: bytes) -> None:
    if len(signature) != SIGNATURE_BYTES:
        raise Forged(f"{what} is not signed.")
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        raise Forged(f"{what} is not signed by the gateway, or was meant for another request.") from None
