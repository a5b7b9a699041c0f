"""Refusals of the envelope and payload-hash stages.

Refusal
├── MalformedField               a field is not what the protocol says; the text names it
├── UnsupportedProtocolVersion   not "v1"
├── PayloadTooLarge              over the limit of its message type; the text names the limit
└── MessageTooLarge              the whole message is over what is read at all; the text names the limit
"""

from kit.refusals import Refusal, RefusalKind


class MalformedField(Refusal):
    """a field is malformed"""

    code = "malformed_field"
    kind = RefusalKind.INVALID

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


class UnsupportedProtocolVersion(Refusal):
    """protocol_version: this gateway speaks v1"""

    code = "unsupported_protocol_version"
    kind = RefusalKind.CONFLICT


class PayloadTooLarge(Refusal):
    """payload_bytes: too large"""

    code = "payload_too_large"
    kind = RefusalKind.TOO_MANY

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"payload_bytes: at most {limit_bytes} bytes are allowed for this message type")


class MessageTooLarge(Refusal):
    """the request is too large"""

    code = "payload_too_large"
    kind = RefusalKind.TOO_MANY

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"the request is too large: at most {limit_bytes} bytes are read, payload and all")
