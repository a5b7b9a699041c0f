"""The two calls, from stubs to the rooms and back."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import cast

import structlog
from opentelemetry.trace import Tracer

from galaxy.edge.v1 import edge_pb2, signing
from gateway.edge.interceptors import Context, address_of
from gateway.edge.statuses import Statuses
from gateway.envelope.service import is_request_id
from gateway.keys.service import Signer
from gateway.pipeline.model import Call, Passage, SignedRequest
from gateway.pipeline.service import Pipeline
from gateway.push.service import Subscription, Subscriptions
from gateway.routing.model import Result
from gateway.routing.service import Router
from gateway.telemetry import Metrics
from kit.clock import Clock, unix_ms
from kit.logs import get_logger
from kit.refusals import Refusal
from kit.telemetry import span

_log = get_logger("edge")
_push_log = get_logger("push")
_OK = "ok"


class EdgeCalls:
    """Implements galaxy.edge.v1.EdgeService."""

    def __init__(
        self,
        pipeline: Pipeline,
        router: Router,
        subscriptions: Subscriptions,
        signer: Signer,
        statuses: Statuses,
        clock: Clock,
        tracer: Tracer,
        metrics: Metrics,
    ) -> None:
        self._pipeline = pipeline
        self._router = router
        self._subscriptions = subscriptions
        self._signer = signer
        self._statuses = statuses
        self._clock = clock
        self._tracer = tracer
        self._metrics = metrics

    async def execute_command(
        self, request: edge_pb2.ExecuteCommandRequest, ctx: Context
    ) -> edge_pb2.ExecuteCommandResponse:
        """Admit a command, have it executed, sign the answer."""
        signed = _command(request)
        began = perf_counter()
        status = "internal"
        code = ""
        passage = Passage(signed, address_of(ctx))
        with self._told(signed), passage.held:
            try:
                await self._pipeline.admit(passage)
                result = await self._router.execute(passage)
            except Refusal as refusal:
                error = self._statuses.error_of(refusal, signed)
                status, code = error.code.value, refusal.code
                raise error from refusal
            else:
                status, code = _OK, result.result_code
                return self._response(signed, result)
            finally:
                seconds = perf_counter() - began
                self._metrics.edge_requests.add(1, {"call": Call.EXECUTE_COMMAND.value, "status": status})
                self._metrics.edge_seconds.record(seconds, {"status": status})
                _log.info(
                    "command_served",
                    message_type=signed.message_type,
                    device_session_id=signed.device_session_id,
                    status=status,
                    result_code=code,
                    duration_ms=round(seconds * 1000, 1),
                )

    async def subscribe_events(
        self, request: edge_pb2.SubscribeEventsRequest, ctx: Context
    ) -> AsyncIterator[edge_pb2.Event]:
        """Admit a subscription and stream signed events until either side ends it."""
        signed = _subscription(request)
        with self._told(signed):
            subscription = await self._open(signed, ctx)
        reason = "client_gone"
        try:
            async for event in subscription.events():
                # The codecs take a signed event for the message it holds, and serialise it once for all streams.
                yield cast("edge_pb2.Event", event)
        except Refusal as refusal:
            error = self._statuses.error_of(refusal, signed)
            ended = subscription.stream.ended
            reason = ended.value if ended is not None else refusal.code
            raise error from refusal
        except Exception:
            reason = "internal"
            raise
        finally:
            subscription.close()
            self._note_closed(subscription, reason)

    async def _open(self, signed: SignedRequest, ctx: Context) -> Subscription:
        status = "internal"
        code = ""
        try:
            subscription = await self._subscriptions.open(Passage(signed, address_of(ctx)))
            status = _OK
        except Refusal as refusal:
            error = self._statuses.error_of(refusal, signed)
            status, code = error.code.value, refusal.code
            raise error from refusal
        finally:
            self._metrics.edge_requests.add(1, {"call": Call.SUBSCRIBE_EVENTS.value, "status": status})
            _log.info(
                "subscription_served",
                device_session_id=signed.device_session_id,
                status=status,
                result_code=code,
            )
        return subscription

    def _note_closed(self, subscription: Subscription, reason: str) -> None:
        self._metrics.streams_closed.add(1, {"reason": reason})
        _push_log.info(
            "push_stream_closed",
            reason=reason,
            detail=subscription.stream.end_detail,
            user_id=subscription.session.user_id,
            device_session_id=subscription.session.device_session_id,
            request_id=subscription.request_id,
            events_sent=subscription.events_sent,
        )

    @contextmanager
    def _told(self, request: SignedRequest) -> Iterator[None]:
        """Bind the request to log lines and to a span below the client's trace."""
        request_id = request.request_id if is_request_id(request.request_id) else ""
        carrier = {"traceparent": request.traceparent} if request.traceparent else None
        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            span(self._tracer, f"edge.{request.call}", carrier),
        ):
            yield

    def _response(self, request: SignedRequest, result: Result) -> edge_pb2.ExecuteCommandResponse:
        timestamp_ms = unix_ms(self._clock.now())
        payload_hash = signing.payload_hash(result.payload_bytes)
        message = signing.response_message(
            signing.PROTOCOL_VERSION,
            request.device_session_id,
            request.request_id,
            request.payload_hash,
            timestamp_ms,
            result.result_code,
            payload_hash,
            self._signer.key_id,
        )
        return edge_pb2.ExecuteCommandResponse(
            protocol_version=signing.PROTOCOL_VERSION,
            request_id=request.request_id,
            timestamp_ms=timestamp_ms,
            result_code=result.result_code,
            payload_bytes=result.payload_bytes,
            payload_hash=payload_hash,
            key_id=self._signer.key_id,
            signature=self._signer.sign(message),
        )


def _command(request: edge_pb2.ExecuteCommandRequest) -> SignedRequest:
    return SignedRequest(
        Call.EXECUTE_COMMAND,
        request.protocol_version,
        request.device_session_id,
        request.message_type,
        request.timestamp_ms,
        request.request_id,
        request.payload_bytes,
        request.payload_hash,
        request.signature,
        request.idempotency_key,
        request.traceparent,
    )


def _subscription(request: edge_pb2.SubscribeEventsRequest) -> SignedRequest:
    return SignedRequest(
        Call.SUBSCRIBE_EVENTS,
        request.protocol_version,
        request.device_session_id,
        request.message_type,
        request.timestamp_ms,
        request.request_id,
        request.payload_bytes,
        request.payload_hash,
        request.signature,
        "",
        request.traceparent,
    )
