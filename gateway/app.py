"""The composition root: every part of the gateway, in the order in which it is built; it ends in the reverse order.

Entered first, left last: telemetry, Redis, the backend's client, the listeners, the hub, the subscribers. So a stop ends the
subscribers, then the streams with their status, then the listeners.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta

from gateway.backend_push.consumer import BackendPush
from gateway.backend_push.rpc import PushClient
from gateway.backend_push.source import PushRingSource
from gateway.client_address.model import TrustedProxies
from gateway.client_events.consumer import ClientEvents, ClientEventsSource
from gateway.edge.application import edge_application
from gateway.edge.interceptors import AddressRate, MessageSize
from gateway.edge.listener import EdgeListener
from gateway.edge.patience import ConnectionPatience
from gateway.edge.rpc import EdgeCalls
from gateway.edge.statuses import Statuses
from gateway.envelope.service import EnvelopeStage, PayloadHashStage
from gateway.keys.rest import keys_router
from gateway.keys.service import SignerKeyUnusable, load_retired, load_signer, published_keys
from gateway.limits.connections import ConnectionGuard
from gateway.limits.in_flight import InFlightLimit
from gateway.limits.rates import RateLimit, RateLimitStage
from gateway.metrics_page import metrics_page
from gateway.pipeline.service import Pipeline
from gateway.public import public_application
from gateway.public_auth.rest import forwarding_router
from gateway.push.dispatcher import Dispatcher
from gateway.push.event_signing import EventSigner
from gateway.push.gateway_events import GatewayEvents
from gateway.push.history import History
from gateway.push.hub import PushHub
from gateway.push.ports import LaneSource
from gateway.push.service import Subscriptions
from gateway.replay.errors import ReplayStoreAway
from gateway.replay.service import ReplayStage
from gateway.replay.storage import CONNECTIONS, RedisReservations
from gateway.routing.model import PayloadSize, Route
from gateway.routing.rest import BackendCommands, NoCommands
from gateway.routing.service import Router
from gateway.routing.table import ROUTES
from gateway.session_events.consumer import SessionEvents
from gateway.sessions.rest import BackendSessions, NoSessions
from gateway.sessions.service import Sessions, SessionStage
from gateway.sessions.worker import Relookup
from gateway.settings import BackendSettings, Settings
from gateway.signatures.service import SignatureStage, Verifier
from gateway.stream_tail.consumer import TailReader
from gateway.stream_tail.storage import TailStorage
from gateway.telemetry import Metrics
from gateway.welcome.rest import welcome_router
from kit.clock import Clock, SystemClock
from kit.ids import NewId, uuid7
from kit.listener import HttpListener
from kit.logs import get_logger
from kit.process import StartError
from kit.redis_pool import RedisUnavailable, open_redis
from kit.rest_client import RestClient
from kit.tasks import Worker, WorkerDied, Workers
from kit.telemetry import Telemetry

_log = get_logger("app")
_RING_READ_TIMEOUT = timedelta(seconds=5)
_OTHER_REDIS_CONNECTIONS = 16
"""For the tail readers and those who resume from the streams."""


class Gateway:
    """A running gateway."""

    def __init__(self, addresses: Mapping[str, str], workers: Workers) -> None:
        self.addresses = dict(addresses)
        """Listener name → bound host:port."""
        self._workers = workers

    async def died(self) -> WorkerDied:
        """Wait until a part has ended by itself, which none may."""
        return await self._workers.died()


class _Readiness:
    """What `/readyz` says: this process alone, nothing behind it."""

    def __init__(self) -> None:
        self.reason: str | None = "starting"

    async def __call__(self) -> str | None:
        return self.reason


@asynccontextmanager
async def build(  # noqa: PLR0915 - the inventory of the process, top to bottom
    settings: Settings,
    *,
    routes: Iterable[Route] = ROUTES,
    clock: Clock | None = None,
    new_id: NewId = uuid7,
) -> AsyncIterator[Gateway]:
    """Start a gateway for the length of the context.

    `routes` is the table of commands; without any, every command is UNIMPLEMENTED. Raises StartError when the signer cannot
    be loaded, Redis does not answer, or a port is taken.
    """
    clock = clock or SystemClock()
    limits = settings.limits
    try:
        signer = load_signer(settings.response.signer_private_key_pem_path)
        retired = load_retired(settings.response.signer_previous_public_keys_path)
    except SignerKeyUnusable as error:
        raise StartError(str(error)) from error

    async with AsyncExitStack() as stack:
        telemetry = Telemetry("gateway", settings.otel.for_telemetry(), scrape=bool(settings.admin_http_addr))
        stack.callback(telemetry.close)
        metrics = Metrics(telemetry.meter)
        readiness = _Readiness()

        try:
            redis = await stack.enter_async_context(
                open_redis(settings.redis, max_connections=CONNECTIONS + _OTHER_REDIS_CONNECTIONS)
            )
        except RedisUnavailable as error:
            raise StartError(f"Redis does not answer: {error}") from error

        # Connections of their own for each: slow commands take none from lookups and sign-ins, which all others wait for.
        commands = lookups = public_calls = None
        if settings.backend.http_url:
            commands, lookups, public_calls = [
                await stack.enter_async_context(_backend_client(settings.backend, connections))
                for connections in (
                    settings.backend.connections,
                    settings.backend.lookup_connections,
                    settings.backend.public_connections,
                )
            ]
        else:
            _log.warning("backend_not_configured")

        # The pipeline, from left to right.
        sessions = Sessions(
            BackendSessions(lookups) if lookups else NoSessions(), settings.session_tombstones_max
        )
        verifier = Verifier()
        router = Router(
            routes,
            BackendCommands(commands) if commands else NoCommands(),
            {
                PayloadSize.COMMAND: limits.command_bytes_max,
                PayloadSize.ORDERS: limits.orders_bytes_max,
            },
        )

        def refused(stage: str, reason: str) -> None:
            metrics.refusals.add(1, {"stage": stage, "reason": reason})

        replay = ReplayStage(
            RedisReservations(
                redis,
                settings.redis,
                telemetry.tracer,
                lambda operation, seconds: metrics.redis_seconds.record(seconds, {"operation": operation}),
            ),
            settings.freshness_window,
            clock,
            on_store_lost=lambda: metrics.replay_store_lost.add(1),
        )
        try:
            await replay.prepare()
        except ReplayStoreAway as error:
            raise StartError(f"Redis takes no replay reservations: {error}") from error
        in_flight = InFlightLimit(limits.session_in_flight_max, limits.user_in_flight_max)
        pipeline = Pipeline(
            [
                EnvelopeStage(router.payload_bytes_max),
                SessionStage(sessions, verifier.spend),
                PayloadHashStage(),
                SignatureStage(verifier),
                replay,
                RateLimitStage(
                    RateLimit(limits.session_rate, limits.session_burst, clock),
                    RateLimit(limits.user_rate, limits.user_burst, clock),
                    in_flight,
                ),
            ],
            refused,
        )

        # Push: the hub, what feeds it, and where the past can be read again.
        events = GatewayEvents(clock, new_id)
        history = History(
            clock,
            settings.push.history_events_max,
            settings.push.history_bytes_max,
            settings.push.history_retention,
        )
        hub = PushHub(
            history,
            events,
            queue_events_max=settings.push.queue_events_max,
            queue_bytes_max=settings.push.queue_bytes_max,
            session_streams_max=limits.session_streams_max,
        )
        dispatcher = Dispatcher(hub, sessions, metrics)
        relookup = Relookup(
            sessions, hub, dispatcher.revoke_device_session, settings.push.relookup_concurrency
        )
        workers: list[Worker] = [relookup]
        sources: list[LaneSource] = []
        event_bytes_max = settings.push.event_bytes_max
        if settings.backend.grpc_push_url:
            push_client = PushClient(settings.backend.grpc_push_url, settings.backend.token, event_bytes_max)
            client_id = settings.backend.gateway_client_id
            sources.append(PushRingSource(push_client, client_id, _RING_READ_TIMEOUT))
            backend_push = BackendPush(
                push_client,
                client_id,
                dispatcher,
                relookup,
                clock,
                on_lost=lambda status: metrics.subscription_losses.add(1, {"status": status}),
            )
            workers.append(backend_push)
            metrics.observe(
                "gateway.backend_push.connected",
                "1 while the backend's subscription is open",
                lambda: int(backend_push.connected),
            )
        if settings.client_events_redis_stream:
            tail = TailStorage(redis, settings.redis.key(settings.client_events_redis_stream))
            sources.append(ClientEventsSource(tail, event_bytes_max))
            client_events = ClientEvents(dispatcher, event_bytes_max, metrics.client_events_lost.add)
            workers.append(TailReader("client_events", tail, client_events, new_id))
        if settings.session_events_redis_stream:
            tail = TailStorage(redis, settings.redis.key(settings.session_events_redis_stream))
            workers.append(TailReader("session_events", tail, SessionEvents(dispatcher, relookup), new_id))
        subscriptions = Subscriptions(
            pipeline, hub, events, EventSigner(signer), sources, settings.push.heartbeat_interval
        )

        # The listeners and what stands ahead of the pipeline.
        proxies = TrustedProxies(settings.trusted_proxies)
        guard = ConnectionGuard(
            limits.connections_max,
            limits.address_connections_max,
            proxies.trusts,
            on_refused=lambda reason: metrics.connections_refused.add(1, {"reason": reason}),
        )
        statuses = Statuses(signer, clock)
        calls = EdgeCalls(pipeline, router, subscriptions, signer, statuses, clock, telemetry.tracer, metrics)
        address_rate = AddressRate(
            RateLimit(limits.address_rate, limits.address_burst, clock), statuses, refused
        )
        shutdown_seconds = settings.shutdown_timeout.total_seconds()
        edge_app = edge_application(
            calls,
            address_rate,
            MessageSize(router.largest_payload_bytes, statuses, refused),
            proxies,
            settings.cors_origins,
            body_seconds=settings.edge.body_timeout.total_seconds(),
            send_seconds=settings.edge.send_timeout.total_seconds(),
        )
        public_app = public_application(
            [
                welcome_router(),
                keys_router(published_keys(signer, retired)),
                forwarding_router(public_calls, RateLimit(limits.public_rate, limits.public_burst, clock)),
            ],
            readiness,
            proxies,
            settings.cors_origins,
            telemetry.tracer,
            limits.public_body_bytes_max,
            body_seconds=settings.edge.body_timeout.total_seconds(),
            send_seconds=settings.edge.send_timeout.total_seconds(),
        )
        patience = ConnectionPatience(
            settings.edge.first_request_timeout.total_seconds(),
            settings.edge.header_timeout.total_seconds(),
            settings.edge.idle_timeout.total_seconds(),
        )
        # Strangers reach both: the public listener is as strict, and its callers take no connection of the edge's.
        public_guard = ConnectionGuard(
            limits.connections_max,
            limits.address_connections_max,
            proxies.trusts,
            on_refused=lambda reason: metrics.connections_refused.add(1, {"reason": reason}),
        )
        listeners: list[HttpListener] = [
            EdgeListener(
                "public",
                public_app,
                settings.public_http_addr,
                settings.edge.server,
                public_guard,
                patience,
                shutdown_seconds,
            ),
            EdgeListener(
                "edge",
                edge_app,
                settings.authenticated_grpc_addr,
                settings.edge.server,
                guard,
                patience,
                shutdown_seconds,
            ),
        ]
        if settings.admin_http_addr:
            listeners.append(
                HttpListener(
                    "admin",
                    metrics_page(telemetry),
                    settings.admin_http_addr,
                    timeout_graceful_shutdown=shutdown_seconds,
                )
            )
        metrics.observe(
            "gateway.commands.in_flight",
            "commands that wait for the backend's answer",
            lambda: in_flight.under_way,
        )
        metrics.observe("gateway.push.streams", "open event streams", lambda: hub.open_streams)
        metrics.observe("gateway.connections.open", "open edge connections", lambda: guard.open_connections)
        metrics.observe("gateway.push.history_bytes", "bytes of history", lambda: history.weight_bytes)

        for listener in listeners:
            listener.bind()
        stack.push_async_callback(_stop_listeners, listeners, shutdown_seconds)
        for listener in listeners:
            await listener.start()
            _log.info("listener_started", listener=listener.name, address=listener.address)
        stack.callback(_close_hub, hub)
        running = await stack.enter_async_context(Workers(workers).running(shutdown_seconds))
        await running.all_started()
        readiness.reason = None
        _log.info(
            "gateway_ready",
            edge_server=settings.edge.server,
            routes=len(router),
            backend=settings.backend.http_url,
            push=settings.backend.grpc_push_url,
            redis=f"{settings.redis.master_addr}/{settings.redis.db}",
            key_prefix=settings.redis.key_prefix,
            client_events_stream=settings.client_events_redis_stream,
            session_events_stream=settings.session_events_redis_stream,
        )
        try:
            yield Gateway({listener.name: listener.address for listener in listeners}, running)
        finally:
            readiness.reason = "stopping"
            _log.info("gateway_stopping", streams=hub.open_streams)


def _backend_client(settings: BackendSettings, connections: int) -> AbstractAsyncContextManager[RestClient]:
    return RestClient.open(settings.http_url, settings.token, settings.timeout, connections=connections)


def _close_hub(hub: PushHub) -> None:
    _log.info("push_hub_closing", streams=hub.open_streams)
    hub.close()


async def _stop_listeners(listeners: Iterable[HttpListener], timeout_seconds: float) -> None:
    """Stop all at once, each within its budget and a second of grace for the server's own ticks."""

    async def stop(listener: HttpListener) -> None:
        try:
            async with asyncio.timeout(timeout_seconds + 1.0):
                await listener.stop()
            _log.info("listener_stopped", listener=listener.name)
        except TimeoutError:
            _log.error("listener_stop_timed_out", listener=listener.name, timeout_seconds=timeout_seconds)

    await asyncio.gather(*(stop(listener) for listener in listeners))
