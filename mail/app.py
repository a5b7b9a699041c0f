"""The mail process, top to bottom."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from kit.faults import Faults
from kit.listener import HttpListener
from kit.logs import get_logger
from kit.migrate import SchemaTooNew, migrate
from kit.outbox import LaneSettings, LaneStorage, OutboxWorker
from kit.postgres import Database, PoolSettings, PostgresUnavailable, in_schema
from kit.process import StartError
from kit.redis_pool import RedisUnavailable, open_redis
from kit.rest import BodyLimit, RequestContext, ServiceAuth, add_probes, new_api
from kit.sealing import SealRing
from kit.streams import ReaderSettings, StreamReader
from kit.tasks import Workers
from kit.telemetry import Telemetry
from mail.commands.consumer import CommandHandler
from mail.deliveries.cleanup import CleanupWorker
from mail.deliveries.marks import MarkingStorage, Marks
from mail.deliveries.model import LADDERS, LaneName, outbox_lane
from mail.deliveries.rest import deliveries_router, describe
from mail.deliveries.service import Deliveries
from mail.deliveries.storage import DeliveryStorage
from mail.deliveries.worker import MailTransport
from mail.settings import Settings
from mail.smtp.model import LaneTimeouts
from mail.smtp.pool import SmtpPool
from mail.telemetry import LaneGauges, LaneMetrics, Metrics
from mail.templates.renderer import Templates

_log = get_logger("app")
SCHEMA = "mail"
MIGRATIONS = Path(__file__).parent / "migrations"
_BODY_BYTES_MAX = 16 * 1024


@dataclass(frozen=True)
class MailService:
    """The running process as its entry and tests see it."""

    listener: HttpListener
    workers: Workers
    deliveries: Deliveries


@asynccontextmanager
async def build(settings: Settings, faults: Faults | None = None) -> AsyncIterator[MailService]:
    """Start everything, in this order, and stop it in the reverse one.

    Raises StartError after one bounded try of what the process needs.
    """
    budget = settings.shutdown_timeout.total_seconds()
    async with AsyncExitStack() as stack:
        telemetry = Telemetry("mail", settings.otel)
        stack.callback(telemetry.close)
        metrics = Metrics(telemetry.meter)
        templates = Templates()
        redis, database = await stack.enter_async_context(_stores(settings))
        storage = DeliveryStorage()

        senders = _Senders(settings, database, storage, templates, metrics, faults or Faults())
        stack.push_async_callback(senders.close)
        senders.add(
            LaneName.ORDINARY,
            settings.ordinary_lane,
            settings.ordinary_timeouts,
            settings.smtp_connections,
            settings.workers,
        )
        senders.add(
            LaneName.CODE, settings.code_lane, settings.code_timeouts, settings.code_connections, workers=2
        )

        deliveries = Deliveries(database, storage, senders.wake)
        reader = _reader(settings, redis, database, storage, templates, senders.wake, metrics)
        cleanup = CleanupWorker(
            database,
            storage,
            settings.delivery_retention,
            settings.malformed_command_retention,
            settings.cleanup_interval,
        )
        gauges = LaneGauges(metrics, senders.lanes)
        workers = Workers([reader, *senders.workers, cleanup, gauges])

        api = new_api("Galaxy mail", docs=False)
        trusted = ServiceAuth(settings.service_tokens)
        api.include_router(deliveries_router(deliveries, trusted))
        describe(api, trusted)
        add_probes(api, _not_ready(workers))
        edge = RequestContext(BodyLimit(api, _BODY_BYTES_MAX), telemetry.tracer)
        listener = HttpListener("http", edge, settings.internal_http_addr)

        await stack.enter_async_context(workers.running(stop_timeout=budget))
        await workers.all_started()
        await listener.start()
        _log.info("listener_started", listener="http", address=listener.address)
        # Last in, first out: the listener closes before the workers stop, and they before the stores go.
        stack.push_async_callback(_stop, listener)
        yield MailService(listener, workers, deliveries)


@asynccontextmanager
async def _stores(settings: Settings) -> AsyncIterator[tuple["Redis", Database]]:
    dsn = in_schema(settings.postgres_primary_dsn.get_secret_value(), SCHEMA)
    pool = PoolSettings(max_size=settings.workers * 2 + 8)
    async with AsyncExitStack() as stack:
        try:
            redis = await stack.enter_async_context(open_redis(settings.redis))
            await migrate(dsn, SCHEMA, MIGRATIONS)
            database = await stack.enter_async_context(Database.open(dsn, "mail", pool))
        except RedisUnavailable as error:
            raise StartError(f"Redis is not there: {error}") from error
        except PostgresUnavailable as error:
            raise StartError(f"PostgreSQL is not there: {error}") from error
        except SchemaTooNew as error:
            raise StartError(str(error)) from error
        yield redis, database


class _Senders:
    """The lanes: each with a pool of connections and workers of its own, so that codes never wait behind other mail."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        storage: DeliveryStorage,
        templates: Templates,
        metrics: Metrics,
        faults: Faults,
    ) -> None:
        self._settings = settings
        self._database = database
        self._storage = storage
        self._templates = templates
        self._metrics = metrics
        self._faults = faults
        self._seal = SealRing.from_text(settings.seal_keys.get_secret_value())
        self._pools: list[SmtpPool] = []
        self.workers: list[OutboxWorker] = []
        self.lanes: dict[LaneName, LaneStorage] = {}

    def add(
        self, name: LaneName, pace: LaneSettings, timeouts: LaneTimeouts, connections: int, workers: int
    ) -> None:
        """Add a lane. Several workers share its connections, so that one stuck mail holds up only its own batch."""
        workers = min(workers, connections)
        pool = SmtpPool(self._settings.relay, timeouts, connections)
        self._pools.append(pool)
        observer = LaneMetrics(self._metrics, name)
        lane = outbox_lane(name)
        self.lanes[name] = LaneStorage(self._database, lane)
        marks = Marks(LaneStorage(self._database, lane))
        for number in range(1, workers + 1):
            claims = MarkingStorage(self._database, lane, marks)
            transport = MailTransport(
                self._database,
                self._storage,
                claims,
                self._templates,
                pool,
                self._settings.smtp_from,
                timeouts,
                self._seal,
                observer,
                self._faults,
                concurrency=connections // workers,
            )
            worker = OutboxWorker(
                f"{name}_mail_worker_{number}",
                lane,
                claims,
                transport,
                pace,
                LADDERS[name],
                observer,
                on_stop=transport.begin_nothing_new,
            )
            self.workers.append(worker)

    def wake(self) -> None:
        """Look for due deliveries now."""
        for worker in self.workers:
            worker.wake()

    async def close(self) -> None:
        """End the sessions with the relay."""
        for pool in self._pools:
            await pool.close()


def _reader(
    settings: Settings,
    redis: "Redis",
    database: Database,
    storage: DeliveryStorage,
    templates: Templates,
    wake: Callable[[], None],
    metrics: Metrics,
) -> StreamReader:
    stream = settings.redis.key(settings.delivery_commands_stream)
    reader = StreamReader(
        "command_consumer",
        stream,
        redis,
        database,
        CommandHandler(storage, templates, wake, lambda: metrics.malformed.add(1)),
        ReaderSettings(),
        mirror_key=f"{stream}:offset:mail",
        on_lost=metrics.stream_lost.add,
    )
    metrics.stream_age_ms = reader.oldest_unread_age_ms
    return reader


async def _stop(listener: HttpListener) -> None:
    await listener.stop()
    _log.info("listener_stopped", listener="http")


def _not_ready(workers: Workers) -> Callable[[], Awaitable[str | None]]:
    async def reason() -> str | None:
        return f"starting: {', '.join(workers.waiting_for)}" if workers.waiting_for else None

    return reason
