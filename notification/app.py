"""The notification process, top to bottom."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from kit.clock import Clock, SystemClock
from kit.faults import Faults
from kit.listener import HttpListener
from kit.logs import get_logger
from kit.migrate import SchemaTooNew, migrate
from kit.outbox import LaneStorage, OutboxWorker
from kit.postgres import Database, PostgresUnavailable, in_schema
from kit.process import StartError
from kit.redis_pool import RedisUnavailable, open_redis
from kit.rest import add_probes, new_api
from kit.rest_client import RestClient
from kit.streams import ReaderSettings, StreamReader
from kit.tasks import Workers
from kit.telemetry import Telemetry
from notification.catalog import Catalog, Channel
from notification.intents.consumer import IntentHandler
from notification.intents.storage import IntentStorage
from notification.publishers.encoding import EmailEncoder, PushEncoder
from notification.publishers.leases import RouteLeases
from notification.publishers.publisher import StreamPublisher
from notification.retention.worker import RetentionWorker
from notification.routes.model import RETRY_LADDER, AddressNames, outbox_lane
from notification.routes.planning import RoutePlanner
from notification.routes.storage import RouteStorage
from notification.settings import Settings
from notification.telemetry import ChannelMetrics, Metrics, ScheduleGauges
from notification.users.client import UserClient, UserServiceUnavailable

_log = get_logger("app")
SCHEMA = "notification"
MIGRATIONS = Path(__file__).parent / "migrations"


@dataclass(frozen=True)
class NotificationService:
    """The running process as its entry and tests see it."""

    listener: HttpListener
    workers: Workers


@asynccontextmanager
async def build(
    settings: Settings, faults: Faults | None = None, clock: Clock | None = None
) -> AsyncIterator[NotificationService]:
    """Start everything, in this order, and stop it in the reverse one: the probe listener goes first.

    Raises StartError after one bounded try of what the process needs.
    """
    budget = settings.shutdown_timeout.total_seconds()
    async with AsyncExitStack() as stack:
        telemetry = Telemetry("notification", settings.otel)
        stack.callback(telemetry.close)
        metrics = Metrics(telemetry.meter)
        redis, database = await stack.enter_async_context(_stores(settings))
        backend = await stack.enter_async_context(
            RestClient.open(
                settings.user_service_base_url, settings.backend_token, settings.user_service_timeout
            )
        )
        catalog = Catalog()
        routes = RouteStorage()

        push = _push(settings, database, routes, redis, catalog, faults or Faults())
        email = _email(settings, database, routes, redis, catalog, faults or Faults())
        push_worker = _worker("push_publisher", Channel.PUSH, settings, database, push, metrics)
        email_worker = _worker("email_publisher", Channel.EMAIL, settings, database, email, metrics)

        def wake() -> None:
            push_worker.wake()
            email_worker.wake()

        names = AddressNames(settings.address_hash_key.get_secret_value().encode())
        handler = IntentHandler(
            catalog,
            UserClient(backend),
            RoutePlanner(names, settings.public_base_url),
            settings.admin.addresses_for,
            IntentStorage(),
            routes,
            clock or SystemClock(),
            wake,
            lambda: metrics.malformed.add(1),
        )
        stream = settings.redis.key(settings.intents_stream)
        consumer = StreamReader(
            "intent_consumer",
            stream,
            redis,
            database,
            handler,
            ReaderSettings(),
            holds_on=(UserServiceUnavailable,),
            mirror_key=f"{stream}:offset:notification",
            on_lost=metrics.stream_lost.add,
        )
        metrics.stream_age_ms = consumer.oldest_unread_age_ms
        retention = RetentionWorker(
            database,
            settings.record_retention,
            settings.malformed_intent_retention,
            settings.cleanup_interval,
        )
        lanes = {channel: LaneStorage(database, outbox_lane(channel)) for channel in Channel}
        gauges = ScheduleGauges(metrics, lanes)
        workers = Workers([consumer, push_worker, email_worker, retention, gauges])

        api = new_api("Galaxy notification", docs=False)
        add_probes(api, _not_ready(workers))
        listener = HttpListener("http", api, settings.internal_http_addr)

        await stack.enter_async_context(workers.running(stop_timeout=budget))
        await workers.all_started()
        await listener.start()
        _log.info("listener_started", listener="http", address=listener.address)
        stack.push_async_callback(_stop, listener)
        yield NotificationService(listener, workers)


@asynccontextmanager
async def _stores(settings: Settings) -> AsyncIterator[tuple["Redis", Database]]:
    dsn = in_schema(settings.postgres_primary_dsn.get_secret_value(), SCHEMA)
    async with AsyncExitStack() as stack:
        try:
            redis = await stack.enter_async_context(open_redis(settings.redis))
            await migrate(dsn, SCHEMA, MIGRATIONS)
            database = await stack.enter_async_context(Database.open(dsn, "notification"))
        except RedisUnavailable as error:
            raise StartError(f"Redis is not there: {error}") from error
        except PostgresUnavailable as error:
            raise StartError(f"PostgreSQL is not there: {error}") from error
        except SchemaTooNew as error:
            raise StartError(str(error)) from error
        yield redis, database


def _worker(
    name: str,
    channel: Channel,
    settings: Settings,
    database: Database,
    publisher: StreamPublisher,
    metrics: Metrics,
) -> OutboxWorker:
    lane = outbox_lane(channel)
    return OutboxWorker(
        name,
        lane,
        LaneStorage(database, lane),
        publisher,
        settings.route,
        RETRY_LADDER,
        ChannelMetrics(metrics, channel),
    )


def _leases(settings: Settings, redis: "Redis") -> RouteLeases:
    return RouteLeases(redis, settings.redis.key("route_leases:"), settings.route.lease)


def _push(
    settings: Settings,
    database: Database,
    routes: RouteStorage,
    redis: "Redis",
    catalog: Catalog,
    faults: Faults,
) -> StreamPublisher:
    return StreamPublisher(
        "push_publisher",
        database,
        routes,
        redis,
        settings.redis.key(settings.gateway_client_events_stream),
        PushEncoder(catalog),
        "gateway_stream_publish_failed",
        _leases(settings, redis),
        faults,
        settings.client_events_length_max,
        settings.client_events_retention,
    )


def _email(
    settings: Settings,
    database: Database,
    routes: RouteStorage,
    redis: "Redis",
    catalog: Catalog,
    faults: Faults,
) -> StreamPublisher:
    return StreamPublisher(
        "email_publisher",
        database,
        routes,
        redis,
        settings.redis.key(settings.mail_delivery_commands_stream),
        EmailEncoder(catalog),
        "mail_stream_publish_failed",
        _leases(settings, redis),
        faults,
    )


async def _stop(listener: HttpListener) -> None:
    await listener.stop()
    _log.info("listener_stopped", listener="http")


def _not_ready(workers: Workers) -> Callable[[], Awaitable[str | None]]:
    async def reason() -> str | None:
        return f"starting: {', '.join(workers.waiting_for)}" if workers.waiting_for else None

    return reason
