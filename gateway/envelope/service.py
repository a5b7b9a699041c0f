"""The envelope and payload-hash stages."""

import hmac
import re
from collections.abc import Callable

from galaxy.edge.v1 import signing
from gateway.envelope.errors import MalformedField, PayloadTooLarge, UnsupportedProtocolVersion
from gateway.pipeline.model import Call, Passage, SignedRequest
from kit.ids import is_uuid

_MESSAGE_TYPE = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*){1,5}")
_MESSAGE_TYPE_CHARS_MAX = 96
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{22,64}")
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{0,128}")
_HASH_BYTES = 32
_SIGNATURE_BYTES = 64


def is_request_id(text: str) -> bool:
    """Tell whether `text` has the form of a request id, and may so appear in logs and headers."""
    return _REQUEST_ID.fullmatch(text) is not None


class EnvelopeStage:
    """First: the shape of every field, and the size of the payload."""

    name = "envelope"

    def __init__(self, payload_bytes_max: Callable[[str], int]) -> None:
        """`payload_bytes_max` gives the limit of a message type, known or not."""
        self._payload_bytes_max = payload_bytes_max

    async def check(self, passage: Passage) -> None:
        """Raise MalformedField, UnsupportedProtocolVersion or PayloadTooLarge."""
        request = passage.request
        if request.protocol_version != signing.PROTOCOL_VERSION:
            raise UnsupportedProtocolVersion
        if not is_uuid(request.device_session_id):
            raise MalformedField("device_session_id", "wants a UUID in lower case")
        self._check_message_type(request)
        if request.timestamp_ms <= 0:
            raise MalformedField("timestamp_ms", "wants milliseconds since the Unix epoch")
        if not is_request_id(request.request_id):
            raise MalformedField("request_id", "wants 22 to 64 characters of base64url")
        if _IDEMPOTENCY_KEY.fullmatch(request.idempotency_key) is None:
            raise MalformedField("idempotency_key", "takes at most 128 printable characters without spaces")
        if len(request.payload_hash) != _HASH_BYTES:
            raise MalformedField("payload_hash", f"wants {_HASH_BYTES} bytes")
        if len(request.signature) != _SIGNATURE_BYTES:
            raise MalformedField("signature", f"wants {_SIGNATURE_BYTES} bytes")
        limit = self._payload_bytes_max(request.message_type)
        if len(request.payload_bytes) > limit:
            raise PayloadTooLarge(limit)

    @staticmethod
    def _check_message_type(request: SignedRequest) -> None:
        subscribes = request.message_type == signing.SUBSCRIBE_MESSAGE_TYPE
        if request.call is Call.SUBSCRIBE_EVENTS and not subscribes:
            raise MalformedField(
                "message_type", f"must be {signing.SUBSCRIBE_MESSAGE_TYPE} in SubscribeEvents"
            )
        if request.call is Call.EXECUTE_COMMAND and subscribes:
            raise MalformedField(
                "message_type", f"{signing.SUBSCRIBE_MESSAGE_TYPE} belongs to SubscribeEvents"
            )
        if len(request.message_type) > _MESSAGE_TYPE_CHARS_MAX or not _MESSAGE_TYPE.fullmatch(
            request.message_type
        ):
            raise MalformedField("message_type", "wants dotted lower-case words such as lobby.game.create")


class PayloadHashStage:
    """Third: the payload is the one whose hash is under the signature."""

    name = "payload_hash"

    async def check(self, passage: Passage) -> None:
        """Raise MalformedField for `payload_hash`."""
        request = passage.request
        if not hmac.compare_digest(signing.payload_hash(request.payload_bytes), request.payload_hash):
            raise MalformedField("payload_hash", "is not the SHA-256 of payload_bytes")
