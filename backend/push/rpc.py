"""`galaxy.push.v1.Push` over the ring: who may subscribe, where a subscription begins, how it ends."""

from datetime import timedelta
from typing import NoReturn

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from backend.push.model import ClientEvent, Cursor, Frame, Invalidation
from backend.push.ring import Ring, Subscription
from backend.telemetry import PushMetrics
from galaxy.push.v1 import push_pb2, push_pb2_grpc
from kit.clock import Clock
from kit.logs import get_logger
from kit.process import StartError
from kit.rest import ServiceAuth

_log = get_logger("push")
_GATEWAY_ID_MAX = 128
Context = grpc.aio.ServicerContext[push_pb2.SubscribePushRequest, push_pb2.PushEvent]


class _Stalled(Exception):
    """A gateway let one frame wait for too long."""


class PushServicer(push_pb2_grpc.PushServicer):
    """Serves the ring of the active backend; before `begin` and after `end` it answers UNAVAILABLE."""

    def __init__(
        self, auth: ServiceAuth, metrics: PushMetrics, clock: Clock, write_timeout: timedelta
    ) -> None:
        self._auth = auth
        self._metrics = metrics
        self._clock = clock
        self._write_timeout_seconds = write_timeout.total_seconds()
        self._ring: Ring | None = None
        self._open: dict[str, Subscription] = {}

    def begin(self, ring: Ring) -> None:
        """Serve this ring from now on."""
        self._ring = ring

    def end(self) -> None:
        """End every stream with UNAVAILABLE and refuse new ones."""
        self._ring = None
        for subscription in self._open.values():
            subscription.close()

    async def SubscribePush(  # type: ignore[override]  # noqa: N802 - push.proto's name; stubs know generators only
        self, request: push_pb2.SubscribePushRequest, context: Context
    ) -> None:
        """Stream events from the asked position, or from now, until either side ends it."""
        ring = await self._admit(request, context)
        gateway_id = request.gateway_client_id
        started_at, resync = self._position(ring, request)
        subscription = Subscription(ring, started_at)
        former = self._open.get(gateway_id)
        self._open[gateway_id] = subscription
        if former is not None:
            former.replace()
        self._metrics.opened()
        _log.info("push_stream_opened", gateway_client_id=gateway_id, after_offset=started_at, resync=resync)
        reason = "client"
        try:
            with subscription:
                # Metadata at once: the gateway learns that it is heard before the first event happens.
                await context.send_initial_metadata(())
                if resync:
                    await self._write(context, self._resync(ring, started_at))
                    self._metrics.sent("resync")
                while frames := await subscription.next():
                    for frame in frames:
                        await self._write(context, to_event(ring.epoch, frame))
                        self._metrics.sent(_kind(frame))
                if frames is None:
                    reason = "overflowed"
                    await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "push stream overflowed")
                elif subscription.replaced:
                    reason = "replaced"
                    await context.abort(
                        grpc.StatusCode.ABORTED, "another subscription came under this gateway_client_id"
                    )
                reason = "shutdown"
                await context.abort(grpc.StatusCode.UNAVAILABLE, "backend is shutting down")
        except grpc.aio.InternalError:
            return  # the gateway went away in the middle of a frame
        except _Stalled:
            reason = "stalled"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "push stream overflowed")
        finally:
            if self._open.get(gateway_id) is subscription:
                del self._open[gateway_id]
            self._metrics.closed(reason)
            _log.info("push_stream_closed", gateway_client_id=gateway_id, reason=reason)

    async def _write(self, context: Context, event: push_pb2.PushEvent) -> None:
        # A gateway that stops reading blocks this write, and nothing can be sent past it, not even a status: the stream
        # ends once it reads again. One whose process hangs is found by the keepalive. Neither holds more than one frame.
        began_at = self._clock.monotonic()
        await context.write(event)
        if self._clock.monotonic() - began_at > self._write_timeout_seconds:
            raise _Stalled

    async def _admit(self, request: push_pb2.SubscribePushRequest, context: Context) -> Ring:
        metadata = dict(context.invocation_metadata() or ())
        presented = metadata.get("authorization")
        caller = self._auth.caller_of(presented if isinstance(presented, str) else None)
        if caller is None:
            await _refuse(
                context, grpc.StatusCode.UNAUTHENTICATED, "this surface answers trusted services only"
            )
        if not 1 <= len(request.gateway_client_id) <= _GATEWAY_ID_MAX:
            await _refuse(
                context,
                grpc.StatusCode.INVALID_ARGUMENT,
                f"gateway_client_id has 1 to {_GATEWAY_ID_MAX} characters",
            )
        if self._ring is None:
            await _refuse(context, grpc.StatusCode.UNAVAILABLE, "this backend is not active")
        return self._ring

    def _position(self, ring: Ring, request: push_pb2.SubscribePushRequest) -> tuple[int, bool]:
        if not request.HasField("resume_after"):
            return ring.newest, False
        cursor = Cursor(request.resume_after.epoch, request.resume_after.offset)
        if ring.reaches_back_to(cursor):
            return cursor.offset, False
        return ring.newest, True

    def _resync(self, ring: Ring, offset: int) -> push_pb2.PushEvent:
        at = Timestamp()
        at.FromDatetime(self._clock.now())
        return push_pb2.PushEvent(epoch=ring.epoch, offset=offset, occurred_at=at, resync=push_pb2.Resync())


async def _refuse(context: Context, status: grpc.StatusCode, sentence: str) -> NoReturn:
    await context.abort(status, sentence)
    raise AssertionError("abort never returns")


def _kind(frame: Frame) -> str:
    return "client_event" if isinstance(frame.body, ClientEvent) else "session_invalidation"


def to_event(epoch: str, frame: Frame) -> push_pb2.PushEvent:
    """Write a frame of the ring as it goes over the wire."""
    at = Timestamp()
    at.FromDatetime(frame.occurred_at)
    event = push_pb2.PushEvent(
        epoch=epoch,
        offset=frame.offset,
        occurred_at=at,
        request_id=frame.request_id,
        trace_id=frame.trace_id,
    )
    match frame.body:
        case ClientEvent() as body:
            event.client_event.user_id = body.user_id
            if body.device_session_id is not None:
                event.client_event.device_session_id = body.device_session_id
            event.client_event.event_type = body.event_type
            event.client_event.event_id = body.event_id
            event.client_event.payload_bytes = body.payload
        case Invalidation() as body:
            event.session_invalidation.reason = body.reason.value
            if body.device_session_id is not None:
                event.session_invalidation.device_session_id = body.device_session_id
            elif body.user_id is not None:
                event.session_invalidation.user_id = body.user_id
    return event


class PushServer:
    """The gRPC listener of the push lane."""

    def __init__(self, servicer: PushServicer, listen_addr: str) -> None:
        self._servicer = servicer
        self._listen_addr = listen_addr
        self._server: grpc.aio.Server | None = None
        self.address = ""
        """Bound `host:port`, once started."""

    async def start(self) -> None:
        """Bind and serve. Raises StartError when the address is taken."""
        host, _, port = self._listen_addr.rpartition(":")
        server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.keepalive_time_ms", 20_000),
                ("grpc.keepalive_timeout_ms", 10_000),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
            ]
        )
        push_pb2_grpc.add_PushServicer_to_server(self._servicer, server)
        try:
            bound = server.add_insecure_port(f"{host or '0.0.0.0'}:{port}")
        except RuntimeError as error:
            raise StartError(f"cannot listen on {self._listen_addr}: {error}") from error
        await server.start()
        self._server = server
        shown = host if host not in {"", "0.0.0.0", "::", "[::]"} else "127.0.0.1"
        self.address = f"{shown}:{bound}"

    async def stop(self, timeout: timedelta) -> None:
        """End the streams with their status, then the listener. Harmless when not running."""
        self._servicer.end()
        server, self._server = self._server, None
        if server is not None:
            await server.stop(timeout.total_seconds())
