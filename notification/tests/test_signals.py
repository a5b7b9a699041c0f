"""What operators watch: the gauges of the schedule and of the stream, dead letters, and a Redis that is slow or gone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import aiohttp
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint
from redis.asyncio import Redis

from kit.ids import uuid7
from kit.redis_pool import RedisSettings, RedisUnavailable, open_redis
from kit.telemetry import OtelSettings, Telemetry
from kit.testing import eventually, fresh_redis
from notification import app
from notification.routes.model import RETRY_LADDER
from notification.tests.conftest import GAME, TURN, Outside, StartNotification

pytestmark = pytest.mark.stores

DEPTH = "notification.route_schedule.depth"
AGE = "notification.route_schedule.oldest_age_ms"
STREAM_AGE = "notification.intent_stream.oldest_unprocessed_age_ms"
DEAD = "notification.route.dead_letters"
WORKERS = {"intent_consumer", "push_publisher", "email_publisher"}


class Watch:
    """Reads the figures that a service would export."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self._meters = MeterProvider([self._reader])

    def telemetry(self, service: str, settings: OtelSettings) -> Telemetry:
        """Return a service's telemetry whose instruments are read here."""
        telemetry = Telemetry(service, settings)
        telemetry.meter = self._meters.get_meter(service)
        return telemetry

    def points(self, name: str) -> list[NumberDataPoint]:
        """Collect now; return the points of one instrument."""
        data = self._reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else [])
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
            if isinstance(point, NumberDataPoint)
        ]

    def figure(self, name: str, **labels: str) -> float | None:
        """Return the sum of the points with these labels, None where there is none yet."""
        values = [p.value for p in self.points(name) if labels.items() <= dict(p.attributes or {}).items()]
        return sum(values) if values else None

    async def shows(self, value: float, name: str, **labels: str) -> None:
        """Wait until the figure is this one."""

        async def shown() -> bool:
            return self.figure(name, **labels) == value

        await eventually(shown)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Have every service of this test read by a watch, and its gauges renewed without delay."""
    watch = Watch()
    monkeypatch.setattr("notification.app.Telemetry", watch.telemetry)
    monkeypatch.setattr("notification.telemetry._GAUGE_SECONDS", 0.05)
    return watch


@pytest.fixture
async def watched(watch: Watch, start_notification: StartNotification) -> Outside:
    """Give a running service under the watch."""
    _, outside = await start_notification()
    return outside


async def test_depth_and_age_of_the_schedule_come_back_to_nothing(watch: Watch, watched: Outside):
    """notification-runbook:50-51 the depth stays bounded; notification-runbook:52-53 the age follows the ladder.

    While one route waits for its next attempt the age is that route's own; it never waits longer than the ladder says.
    """
    players = [watched.people.add() for _ in range(10)]
    await watched.settled(await watched.intend("game.started", players, GAME))
    for channel in ("push", "email"):
        await watch.shows(0, DEPTH, channel=channel)
        await watch.shows(0, AGE, channel=channel)

    await watched.redis.rename(watched.key("gateway:client-events"), watched.key("kept"))
    await watched.redis.set(watched.key("gateway:client-events"), "no stream at all")
    key = await watched.intend(recipients=[watched.people.add()])
    await eventually(partial(_waits_for_its_second_attempt, watched))
    await watch.shows(1, DEPTH, channel="push")
    await watch.shows(0, DEPTH, channel="email")
    (row,) = await watched.fetch(
        "SELECT extract(epoch FROM next_at - created_at) AS wait, extract(epoch FROM now() - created_at) AS age"
        " FROM routes WHERE state = 'failed'"
    )
    ladder_seconds = RETRY_LADDER.steps[0].total_seconds()
    assert 0 < row["wait"] <= ladder_seconds * 1.5
    age_ms = watch.figure(AGE, channel="push")
    assert age_ms is not None
    assert 0 < age_ms < ladder_seconds * 1000
    await watched.redis.delete(watched.key("gateway:client-events"))
    await watched.execute("UPDATE routes SET next_at = now() WHERE state = 'failed'")
    await watched.settled(key)
    await watch.shows(0, DEPTH, channel="push")
    await watch.shows(0, AGE, channel="push")


async def test_a_backlog_shows_in_depth_age_and_open_routes(watch: Watch, watched: Outside):
    """notification-runbook:88-90"""
    await watched.redis.set(watched.key("gateway:client-events"), "no stream at all")
    ages: list[float] = []
    for depth in (1, 2, 3):
        await watched.intend(recipients=[watched.people.add()])
        await watch.shows(depth, DEPTH, channel="push")
        age = watch.figure(AGE, channel="push")
        assert age is not None
        ages.append(age)
    assert ages == sorted(ages)
    assert ages[0] < ages[-1]
    rows = await watched.fetch("SELECT state FROM routes WHERE lane = 'push'")
    assert {row["state"] for row in rows} <= {"pending", "failed"}


async def test_the_streams_age_grows_only_while_intents_lie_unhandled(watch: Watch, watched: Outside):
    """notification-runbook:54-55 near zero with healthy producers; notification-runbook:75 and growing with a lag."""
    ada = watched.people.add()
    await watched.settled(await watched.intend(recipients=[ada]))
    await watch.shows(0, STREAM_AGE)
    watched.people.status = 503
    key = await watched.intend(recipients=[ada])

    async def old() -> bool:
        return (watch.figure(STREAM_AGE) or 0) > 500

    await eventually(old)
    watched.people.status = 200
    await watched.settled(key)
    await watch.shows(0, STREAM_AGE)


async def test_only_a_dead_letter_counts_as_one(watch: Watch, watched: Outside):
    """notification-runbook:56"""
    ada = watched.people.add()
    for _ in range(3):
        await watched.settled(await watched.intend(recipients=[ada]))
    await watched.write({"no": "intent"})
    await watched.malformed()
    assert watch.figure(DEAD) is None
    await watched.redis.delete(watched.key("gateway:client-events"))
    await watched.redis.set(watched.key("gateway:client-events"), "no stream at all")
    key = await watched.intend(recipients=[ada])
    await eventually(partial(_waits_for_its_second_attempt, watched))
    assert watch.figure(DEAD) is None, "a failed attempt is none yet"
    await watched.execute("UPDATE routes SET attempt_no = 7, next_at = now() WHERE state = 'failed'")
    await watched.settled(key)
    await watch.shows(1, DEAD)
    await watch.shows(1, DEAD, channel="push", classification="gateway_stream_publish_failed")


class Wire:
    """A line to Redis that can be made slow or cut."""

    def __init__(self, address: str) -> None:
        self._host, _, self._port = address.rpartition(":")
        self._flows = asyncio.Event()
        self._flows.set()
        self._cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self.address = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Wire"]:
        """Listen on the loopback interface for the length of the context."""
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            self.mend()
            server.close()
            self._drop()

    def disturb(self, how: str) -> None:
        """Let nothing through any more: `slow` keeps connections open, `absent` ends them."""
        if how == "slow":
            self._flows.clear()
        else:
            self._cut = True
            self._drop()

    def mend(self) -> None:
        """Let everything through again."""
        self._cut = False
        self._flows.set()

    def _drop(self) -> None:
        for writer in self._writers:
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.close()
            return
        there, back = await asyncio.open_connection(self._host, int(self._port))
        mine = {writer, back}
        self._writers |= mine
        try:
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        finally:
            self._writers -= mine

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                await self._flows.wait()
                target.write(data)
                await target.drain()
        target.close()


@pytest.mark.parametrize("how", ["slow", "absent"])
async def test_a_slow_or_absent_redis_holds_routes_and_is_seen_from_outside(
    monkeypatch: pytest.MonkeyPatch,
    watch: Watch,
    start_notification: StartNotification,
    valkey_url: str,
    how: str,
):
    """notification-runbook:94 its latency and connection are a cause of a backlog.

    notification-runbook:47 the process stays ready without Redis and without a collector: both are asked from outside.
    """
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    collector = OtelSettings(traces_exporter="otlp", metrics_exporter="otlp")
    direct = fresh_redis(valkey_url)
    async with Wire(direct.master_addr).open() as wire:
        through = direct.model_copy(update={"master_addr": wire.address})
        redis = RedisSettings.model_validate(
            {**through.model_dump(), "password": direct.password, "operation_timeout": "1500ms"}
        )
        service, outside = await start_notification(redis=redis, otel=collector)
        wire.disturb(how)
        key = await _route_of_a_new_record(outside)
        await watch.shows(1, DEPTH, channel="push")
        await asyncio.sleep(0.5)
        assert set((await outside.routes(key)).values()) <= {"pending", "failed"}
        assert watch.figure(DEPTH, channel="push") == 1
        ready = f"http://{service.listener.address}/readyz"
        async with aiohttp.ClientSession() as http, http.get(ready) as answer:
            assert answer.status == 200
        with pytest.raises(RedisUnavailable):
            async with open_redis(redis):
                pass
        wire.mend()
        await outside.execute("UPDATE routes SET next_at = now() WHERE claim_token IS NULL")
        assert set((await outside.settled(key)).values()) == {"published"}
        await watch.shows(0, DEPTH, channel="push")


async def test_redis_clients_close_after_the_workers_have_ended(
    monkeypatch: pytest.MonkeyPatch, outside: Outside
):
    """notification-runbook:66"""
    name = f"stopping-{uuid7()}"
    at_close: list[tuple[set[str], bool]] = []

    async def connected() -> bool:
        clients: Any = await outside.redis.client_list()
        return name in {client["name"] for client in clients}

    @asynccontextmanager
    async def observed(settings: RedisSettings) -> AsyncIterator[Redis]:
        async with open_redis(settings) as client:
            await client.client_setname(name)
            yield client
            at_close.append((workers(), await connected()))

    others = asyncio.all_tasks()

    def workers() -> set[str]:
        mine = asyncio.all_tasks() - others
        return {task.get_name() for task in mine if not task.done()} & WORKERS

    monkeypatch.setattr("notification.app.open_redis", observed)
    async with app.build(outside.settings):
        assert workers() == WORKERS
        assert await connected()
    assert at_close == [(set(), True)]

    async def gone() -> bool:
        return not await connected()

    await eventually(gone)


async def _waits_for_its_second_attempt(outside: Outside) -> bool:
    rows = await outside.fetch("SELECT attempt_no FROM routes WHERE state = 'failed'")
    return rows == [{"attempt_no": 1}]


async def _route_of_a_new_record(outside: Outside) -> str:
    record = uuid7()
    async with outside.database.transaction() as connection:
        await connection.execute(
            "INSERT INTO records (record_id, producer, notification_type, idempotency_key, audience_kind,"
            " recipient_user_ids, payload, occurred_at, stream_id)"
            " VALUES ($1, 'backend', 'game.turn.ready', $2, 'user', '[]', $3, now(), '0-1')",
            record,
            str(record),
            TURN,
        )
        await connection.execute(
            "INSERT INTO routes"
            " (id, record_id, route_id, lane, state, user_id, locale, time_zone, display_name, unsubscribe_url)"
            " VALUES ($1, $2, 'push:ada', 'push', 'pending', $3, 'en', 'UTC', '', '')",
            uuid7(),
            record,
            uuid7(),
        )
    return str(record)
