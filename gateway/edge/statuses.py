"""The one table from refusals to RPC statuses."""

from collections.abc import Mapping

from connectrpc.code import Code
from connectrpc.errors import ConnectError, ErrorDetail
from protobuf.wkt import Any as AnyMessage

from galaxy.edge.v1 import edge_pb2, signing
from gateway.keys.service import Signer
from gateway.pipeline.model import SignedRequest
from gateway.replay.errors import StaleTimestamp
from kit.clock import Clock, unix_ms
from kit.refusals import Refusal, RefusalKind

CODE_OF_KIND: Mapping[RefusalKind, Code] = {
    RefusalKind.INVALID: Code.INVALID_ARGUMENT,
    RefusalKind.UNAUTHENTICATED: Code.UNAUTHENTICATED,
    RefusalKind.FORBIDDEN: Code.PERMISSION_DENIED,
    RefusalKind.NOT_FOUND: Code.UNIMPLEMENTED,
    RefusalKind.CONFLICT: Code.FAILED_PRECONDITION,
    RefusalKind.GONE: Code.FAILED_PRECONDITION,
    RefusalKind.TOO_MANY: Code.RESOURCE_EXHAUSTED,
    RefusalKind.UNAVAILABLE: Code.UNAVAILABLE,
}

_DETAILED = {RefusalKind.CONFLICT, RefusalKind.GONE, RefusalKind.TOO_MANY, RefusalKind.UNAVAILABLE}


class Statuses:
    """Writes refusals as RPC errors."""

    def __init__(self, signer: Signer, clock: Clock) -> None:
        self._signer = signer
        self._clock = clock

    def error_of(self, refusal: Refusal, request: SignedRequest | None = None) -> ConnectError:
        """Return the RPC error; a stale timestamp is answered with our time, signed for its request."""
        code = CODE_OF_KIND[refusal.kind]
        if refusal.kind not in _DETAILED:
            return ConnectError(code, refusal.message)
        detail = edge_pb2.RefusalDetail(reason=refusal.code, retry_after_ms=_retry_after_ms(refusal))
        if isinstance(refusal, StaleTimestamp) and request is not None:
            self._sign_time(detail, request)
        packed = AnyMessage(
            type_url=f"type.googleapis.com/{detail.DESCRIPTOR.full_name}", value=detail.SerializeToString()
        )
        return ConnectError(code, refusal.message, [ErrorDetail(packed)])

    def _sign_time(self, detail: edge_pb2.RefusalDetail, request: SignedRequest) -> None:
        detail.server_time_ms = unix_ms(self._clock.now())
        detail.key_id = self._signer.key_id
        detail.signature = self._signer.sign(
            signing.refusal_message(
                request.device_session_id,
                request.request_id,
                detail.reason,
                detail.server_time_ms,
                detail.key_id,
            )
        )


def _retry_after_ms(refusal: Refusal) -> int:
    in_ms = refusal.details.get("retry_after_ms")
    if isinstance(in_ms, int):
        return in_ms
    return (refusal.retry_after_seconds or 0) * 1000
