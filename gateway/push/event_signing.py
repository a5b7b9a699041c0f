"""Signing events: once an event, whoever gets it."""

from typing import cast

from galaxy.edge.v1 import edge_pb2, signing
from gateway.keys.service import Signer
from gateway.push.model import PushEvent


class SignedEvent:
    """An event as it goes on the wire, serialised at most once."""

    __slots__ = ("_binary", "message")

    def __init__(self, message: edge_pb2.Event) -> None:
        self.message = message
        self._binary: bytes | None = None

    def SerializeToString(self) -> bytes:  # noqa: N802 - the name that protobuf codecs call
        """Return the binary form."""
        if self._binary is None:
            self._binary = self.message.SerializeToString()
        return self._binary


class EventSigner:
    """Gives events their signed form."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def sign(self, event: PushEvent) -> SignedEvent:
        """Return the signed form, the same for every stream of the event's user."""
        if event.signed is None:
            cursor = str(event.cursor) if event.cursor is not None else ""
            event.signed = self._signed(event, event.user_id, cursor, cursor)
        return cast("SignedEvent", event.signed)

    def sign_first(self, event: PushEvent, device_session_id: str, request_id: str) -> SignedEvent:
        """Return the signed form of a stream's first event, bound to its session and request."""
        return self._signed(event, device_session_id, request_id, "")

    def _signed(self, event: PushEvent, signed_for: str, signed_cursor: str, cursor: str) -> SignedEvent:
        payload_hash = signing.payload_hash(event.payload_bytes)
        message = signing.event_message(
            signed_for,
            event.event_type,
            event.event_id,
            signed_cursor,
            event.timestamp_ms,
            payload_hash,
            self._signer.key_id,
        )
        return SignedEvent(
            edge_pb2.Event(
                event_type=event.event_type,
                event_id=event.event_id,
                timestamp_ms=event.timestamp_ms,
                cursor=cursor,
                payload_bytes=event.payload_bytes,
                payload_hash=payload_hash,
                request_id=event.request_id,
                trace_id=event.trace_id,
                key_id=self._signer.key_id,
                signature=self._signer.sign(message),
            )
        )
