"""The backend process: it listens at once, waits for Postgres, asks to be active, serves its term, stops in order."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from enum import StrEnum
from pathlib import Path

import asyncpg
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from backend.admin.passwords import Passwords
from backend.api.families import COMMAND_BYTES_MAX, body_limit
from backend.gate import Gate
from backend.leadership.election import Election
from backend.leadership.errors import LeadershipLost
from backend.leadership.transactions import FencedTransactions
from backend.push.rpc import PushServer, PushServicer
from backend.settings import BackendSettings
from backend.telemetry import PushMetrics
from backend.term.active import Active, Surroundings, build_active
from kit.clock import Clock, SystemClock
from kit.faults import Faults
from kit.ids import NewId, uuid7
from kit.listener import HttpListener
from kit.logs import get_logger
from kit.migrate import SchemaTooNew, migrate
from kit.postgres import Database, PostgresUnavailable, in_schema
from kit.process import StartError
from kit.rest import BodyLimit, RequestContext, ServiceAuth
from kit.tasks import Workers
from kit.telemetry import Telemetry

_log = get_logger("app")
SCHEMA = "backend"
MIGRATIONS = Path(__file__).parent / "migrations"
_PING_SECONDS = 2.0


class Ending(StrEnum):
    """Why a term is over."""

    STOPPED = "stopped"  # the process was asked to stop
    LEADERSHIP_LOST = "leadership_lost"  # another backend is active now


class Backend:
    """One process: its listeners, and the term of leadership that it serves, if it gets one."""

    def __init__(self, around: Surroundings, holder: str) -> None:
        settings = around.settings
        self._around = around
        self._settings = settings
        self._holder = holder
        self._dsn = in_schema(settings.postgres.dsn.get_secret_value(), SCHEMA)
        self.gate = Gate("starting")
        edge = RequestContext(BodyLimit(self.gate, COMMAND_BYTES_MAX, body_limit), around.telemetry.tracer)
        grace = int(settings.shutdown_timeout.total_seconds())
        self.http = HttpListener("http", edge, settings.http.listen_addr, timeout_graceful_shutdown=grace)
        self._servicer = PushServicer(
            around.service_auth,
            PushMetrics(around.telemetry),
            around.clock,
            settings.push.write_timeout,
        )
        self.push = PushServer(self._servicer, settings.grpc.push_listen_addr)
        self._prometheus: HttpListener | None = None
        if settings.otel.metrics_exporter == "prometheus" and settings.otel.prometheus_listen_addr:
            page = _MetricsPage(around.telemetry)
            self._prometheus = HttpListener("prometheus", page, settings.otel.prometheus_listen_addr)

    @property
    def addresses(self) -> Mapping[str, str]:
        """Return the bound addresses by listener; only while listening."""
        bound = {"http": self.http.address, "push": self.push.address}
        if self._prometheus is not None:
            bound["prometheus"] = self._prometheus.address
        return bound

    async def listen(self) -> None:
        """Bind everything; until the term begins only probes are answered. Raises StartError."""
        await self.http.start()
        await self.push.start()
        if self._prometheus is not None:
            await self._prometheus.start()
        _log.info("listening", **self.addresses)

    async def stop_listening(self) -> None:
        """Turn readiness off, end the push streams with their status, then close the listeners. Harmless when repeated."""
        self.gate.close("stopping")
        await self.push.stop(self._settings.shutdown_timeout)
        await self.http.stop()

    async def close(self) -> None:
        """Close what is still open, the scrape page last."""
        await self.stop_listening()
        if self._prometheus is not None:
            await self._prometheus.stop()

    async def serve(self, stopping: asyncio.Event, on_ready: Callable[[], None]) -> Ending:
        """Wait for a term, serve it, and return why it is over; `on_ready` is called when it begins to be served.

        Raises WorkerDied when a background part ended by itself, and StartError when Postgres refuses this service.
        """
        term = asyncio.ensure_future(self._term(on_ready))
        asked = asyncio.ensure_future(stopping.wait())
        try:
            await asyncio.wait({term, asked}, return_when=asyncio.FIRST_COMPLETED)
            if term.done():
                return term.result()
            return Ending.STOPPED
        finally:
            asked.cancel()
            term.cancel()
            # The term unwinds in its own order.
            await asyncio.wait({term})
            if not term.cancelled() and stopping.is_set() and (error := term.exception()) is not None:
                _log.error("stopped_with_error", exc_info=error)

    async def _term(self, on_ready: Callable[[], None]) -> Ending:
        async with AsyncExitStack() as stack:
            database = await self._open_database(stack)
            election = Election(self._dsn, self._holder, self._settings.leadership.poll_interval)
            stack.push_async_callback(election.close)
            self.gate.wait_for("electing")
            epoch = await election.win(on_standby=lambda: self.gate.wait_for("standby"))
            self.gate.wait_for("warming")
            keeper = asyncio.create_task(election.keep(), name="leadership_keeper")
            stack.callback(keeper.cancel)
            transactions = FencedTransactions(database, epoch, election.lose)
            try:
                return await self._lead(stack, database, transactions, election, keeper, on_ready)
            except LeadershipLost:
                return Ending.LEADERSHIP_LOST

    async def _lead(
        self,
        stack: AsyncExitStack,
        database: Database,
        transactions: FencedTransactions,
        election: Election,
        keeper: "asyncio.Task[None]",
        on_ready: Callable[[], None],
    ) -> Ending:
        active = await self._warm(stack, database, transactions)
        workers = Workers(active.workers)
        budget = self._settings.shutdown_timeout.total_seconds()
        running = await stack.enter_async_context(workers.running(stop_timeout=budget))
        await running.all_started()
        # Last in, first out: readiness goes, streams and listeners end, and only then the workers stop.
        stack.push_async_callback(self.stop_listening)
        self._servicer.begin(active.ring)
        self.gate.open(active.app, lambda: _not_ready(active, running, database))
        on_ready()
        _log.info("backend_active", epoch=election.epoch)
        lost = asyncio.ensure_future(election.wait_lost())
        died = asyncio.ensure_future(running.died())
        try:
            await asyncio.wait({lost, died, keeper}, return_when=asyncio.FIRST_COMPLETED)
            # A stale leader's workers die of the fence: that is the loss, no defect.
            if election.lost:
                return Ending.LEADERSHIP_LOST
            if keeper.done():
                keeper.result()
            raise died.result()
        finally:
            lost.cancel()
            died.cancel()

    async def _warm(
        self, stack: AsyncExitStack, database: Database, transactions: FencedTransactions
    ) -> Active:
        while True:
            attempt = AsyncExitStack()
            try:
                active = await build_active(attempt, self._around, database, transactions)
            except PostgresUnavailable as error:
                await attempt.aclose()
                _log.warning("waiting_for_postgres", reason=str(error))
                await asyncio.sleep(self._settings.postgres.connect_interval.total_seconds())
            except BaseException:
                await attempt.aclose()
                raise
            else:
                stack.push_async_callback(attempt.aclose)
                return active

    async def _open_database(self, stack: AsyncExitStack) -> Database:
        """Wait for Postgres, migrate, open the pool. Raises StartError where waiting would not help."""
        self.gate.wait_for("waiting_for_postgres")
        while True:
            try:
                await migrate(self._dsn, SCHEMA, MIGRATIONS)
                return await stack.enter_async_context(
                    Database.open(self._dsn, "backend", self._settings.postgres)
                )
            except PostgresUnavailable as error:
                _log.warning("waiting_for_postgres", reason=str(error))
            except SchemaTooNew as error:
                raise StartError(str(error)) from error
            except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
                raise StartError(f"PostgreSQL refuses this service: {error}") from error
            await asyncio.sleep(self._settings.postgres.connect_interval.total_seconds())


async def _not_ready(active: Active, workers: Workers, database: Database) -> str | None:
    if workers.waiting_for:
        return f"worker_{workers.waiting_for[0]}"
    for check in active.readiness:
        reason = await check()
        if reason is not None:
            return reason
    try:
        async with asyncio.timeout(_PING_SECONDS):
            await database.ping()
    except (PostgresUnavailable, TimeoutError):
        return "postgres_unavailable"
    return None


class _MetricsPage:
    """`/metrics` on its own listener."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            answer: Response = PlainTextResponse("not here; see /metrics\n", status_code=404)
            if scope["path"] == "/metrics":
                text, content_type = self._telemetry.prometheus_page()
                answer = Response(text, media_type=content_type)
            await answer(scope, receive, send)


@asynccontextmanager
async def build(
    settings: BackendSettings,
    *,
    clock: Clock | None = None,
    new_id: NewId = uuid7,
    faults: Faults | None = None,
    passwords: Passwords | None = None,
) -> AsyncIterator[Backend]:
    """Build the process and let it listen; `serve` does the rest. Raises StartError."""
    telemetry = Telemetry("backend", settings.otel)
    around = Surroundings(
        settings=settings,
        telemetry=telemetry,
        service_auth=ServiceAuth(settings.service_tokens),
        clock=clock or SystemClock(),
        new_id=new_id,
        faults=faults or Faults(),
        passwords=passwords or Passwords(),
    )
    backend = Backend(around, holder=f"{socket.gethostname()}:{os.getpid()}")
    try:
        await backend.listen()
        yield backend
    finally:
        await backend.close()
        telemetry.close()
