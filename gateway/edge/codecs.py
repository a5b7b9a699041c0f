"""Codecs that write an event once, however many streams it goes to."""

from typing import Any

from connectrpc.codec import Codec
from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_json_codec

from gateway.push.event_signing import SignedEvent


class JsonCodec(Codec[Any, Any]):
    """Protobuf as JSON, signed events unwrapped."""

    def __init__(self) -> None:
        self._inner: Codec[Any, Any] = google_protobuf_json_codec()

    def name(self) -> str:
        """Return the codec's name on the wire."""
        return self._inner.name()

    def encode(self, message: Any) -> bytes:
        """Write a message."""
        encoded: bytes = self._inner.encode(message.message if isinstance(message, SignedEvent) else message)
        return encoded

    def decode(self, data: bytes | bytearray, message_class: type[Any]) -> Any:
        """Read a message."""
        return self._inner.decode(data, message_class)


def edge_codecs() -> list[Codec[Any, Any]]:
    """Return what the edge speaks: binary (which calls `SerializeToString`, cached by SignedEvent) and JSON."""
    return [google_protobuf_binary_codec(), JsonCodec()]
