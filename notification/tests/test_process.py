"""The service as a process: start, probes, stop, kills at the named points."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from kit.postgres import Database, in_schema
from kit.redis_pool import open_redis
from kit.testing import eventually, fresh_database, fresh_redis
from notification.app import SCHEMA
from notification.tests.conftest import GAME, TOKEN, Outside, People, notification_settings

pytestmark = [pytest.mark.stores, pytest.mark.timeout(180)]


class Process:
    """`python -m notification` with a set of variables."""

    def __init__(self, child: asyncio.subprocess.Process, ready: Path, log: Path) -> None:
        self.child = child
        self._ready = ready
        self._log = log

    async def is_ready(self) -> Mapping[str, Any]:
        """Wait for the ready file; return what it says. A start is two seconds of imports: on a busy machine, many more."""

        async def ready_or_ended() -> bool:
            return self._ready.exists() or self.child.returncode is not None

        try:
            await eventually(ready_or_ended, timeout=90)
        except TimeoutError:
            raise AssertionError(f"not ready after 90 s, and it said: {self._log.read_text()}") from None
        assert self._ready.exists(), self._log.read_text()
        addresses: Mapping[str, Any] = orjson.loads(self._ready.read_bytes())
        return addresses

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone. Harmless when it has ended."""
        if self.child.returncode is None:
            self.child.kill()
        await self.child.wait()

    def lines(self) -> list[dict[str, Any]]:
        """Return the log lines so far, in order."""
        lines = self._log.read_text().splitlines(keepends=True)
        return [orjson.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    def events(self) -> list[str]:
        """Return the log events so far, in order."""
        return [line["event"] for line in self.lines()]

    def text(self) -> str:
        """Return the whole output so far."""
        return self._log.read_text()


class Stage:
    """Stores, a User Service, and processes to be started on them."""

    def __init__(self, dsn: str, outside: Outside, folder: Path, stack: AsyncExitStack) -> None:
        self.outside = outside
        self._dsn = dsn
        self._folder = folder
        self._stack = stack
        self._started = 0

    def environment(self) -> dict[str, str]:
        """Return the variables of a working process."""
        redis = self.outside.settings.redis
        return {
            "NOTIFICATION_INTERNAL_HTTP_ADDR": "127.0.0.1:0",
            "NOTIFICATION_POSTGRES_PRIMARY_DSN": self._dsn,
            "NOTIFICATION_REDIS_MASTER_ADDR": redis.master_addr,
            "NOTIFICATION_REDIS_PASSWORD": redis.password.get_secret_value(),
            "NOTIFICATION_REDIS_KEY_PREFIX": redis.key_prefix,
            "NOTIFICATION_USER_SERVICE_BASE_URL": self.outside.people.base_url,
            "NOTIFICATION_BACKEND_TOKEN": TOKEN,
            "NOTIFICATION_PUBLIC_BASE_URL": "https://galaxy.test",
            "NOTIFICATION_ADDRESS_HASH_KEY": "a-key-of-address-hashes",
            "NOTIFICATION_ROUTE_WORKER_INTERVAL": "100ms",
            "NOTIFICATION_ROUTE_LEASE": "2s",
            "NOTIFICATION_OTEL_TRACES_EXPORTER": "none",
            "NOTIFICATION_OTEL_METRICS_EXPORTER": "none",
        }

    async def start(self, **changes: str | None) -> Process:
        """Start a process, with variables changed or (None) taken away; killed at the end of the test."""
        self._started += 1
        ready = self._folder / f"ready-{self._started}"
        log = self._folder / f"log-{self._started}"
        mine = {k: v for k, v in {**self.environment(), **changes}.items() if v is not None}
        others = {k: v for k, v in os.environ.items() if not k.startswith("NOTIFICATION_")}
        with log.open("wb") as output:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "notification", "--die-with-parent", "--ready-file", str(ready)),
                env=others | mine,
                stdout=output,
                stderr=output,
            )
        process = Process(child, ready, log)
        self._stack.push_async_callback(process.kill)
        return process


@pytest.fixture
async def stage(
    postgres_admin_dsn: str, valkey_url: str, people: People, tmp_path: Path
) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        dsn = await stack.enter_async_context(fresh_database(postgres_admin_dsn))
        redis_settings = fresh_redis(valkey_url)
        redis = await stack.enter_async_context(open_redis(redis_settings))
        database = await stack.enter_async_context(Database.open(in_schema(dsn, SCHEMA), "process-test"))
        settings = notification_settings(dsn, redis_settings, people.base_url)
        yield Stage(dsn, Outside(settings, people, redis, database), tmp_path, stack)


async def test_it_starts_answers_probes_and_nothing_else_and_stops_in_order(stage: Stage):
    """notification-runbook:31 notification-runbook:32 notification-runbook:33 notification-runbook:37
    notification-runbook:38 notification-runbook:41 notification-runbook:44 notification-runbook:46
    notification-runbook:61 notification-runbook:64 notification-runbook:65
    notification-runbook:92-93.
    """
    process = await stage.start()
    address = (await process.is_ready())["http"]
    started = process.events()
    assert started.index("migration_finished") < started.index("listener_started")
    for worker in ("intent_consumer", "push_publisher", "email_publisher"):
        assert f'"worker":"{worker}"' in process.text()
    async with aiohttp.ClientSession(base_url=f"http://{address}") as http:
        for path, status in (
            ("/healthz", 200),
            ("/readyz", 200),
            ("/metrics", 404),
            ("/openapi.json", 404),
            ("/api/v1/internal/routes", 404),
        ):
            async with http.get(path) as response:
                assert (path, response.status) == (path, status)
    process.child.send_signal(signal.SIGTERM)
    assert await process.child.wait() == 0
    stopped = process.events()[len(started) :]
    assert stopped[0] == "process_stopping"
    assert stopped.index("listener_stopped") < stopped.index("worker_stopped")
    assert stopped[-1] == "process_stopped"


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"NOTIFICATION_REDIS_PASSWORD": None}, 2, "NOTIFICATION_REDIS_PASSWORD: is required"),
        ({"NOTIFICATION_REDIS_USERNAME": "x"}, 2, "NOTIFICATION_REDIS_USERNAME: is retired"),
        ({"NOTIFICATION_REDIS_TLS_ENABLED": "1"}, 2, "NOTIFICATION_REDIS_TLS_ENABLED: is retired"),
        ({"NOTIFICATION_ADMIN_EMAIL": "Ops <ops@x.test>"}, 2, "NOTIFICATION_ADMIN_EMAIL: wants bare"),
        ({"NOTIFICATION_REDIS_PASSWORD": "wrong"}, 1, "Redis is not there"),
        ({"NOTIFICATION_REDIS_MASTER_ADDR": "127.0.0.1:1"}, 1, "Redis is not there"),
        (
            {"NOTIFICATION_POSTGRES_PRIMARY_DSN": "postgresql://u:p@127.0.0.1:1/x"},
            1,
            "PostgreSQL is not there",
        ),
        ({"NOTIFICATION_INTERNAL_HTTP_ADDR": "192.0.2.1:80"}, 1, "cannot listen on 192.0.2.1:80"),
    ],
)
async def test_a_start_that_cannot_work_fails_at_once_with_a_sentence(
    stage: Stage, changes: dict[str, str | None], code: int, said: str
):
    """notification-runbook:11 notification-runbook:12 notification-runbook:13 notification-runbook:33
    notification-runbook:34 notification-runbook:35 notification-runbook:122
    """
    process = await stage.start(**changes)
    assert await asyncio.wait_for(process.child.wait(), 30) == code
    assert said in process.text()
    assert "Traceback" not in process.text()


async def test_a_schema_of_a_newer_release_stops_the_start(stage: Stage):
    """notification-runbook:34 notification-runbook:35"""
    first = await stage.start()
    await first.is_ready()
    await first.kill()
    await stage.outside.execute("UPDATE alembic_version SET version_num = '00999'")
    second = await stage.start()
    assert await asyncio.wait_for(second.child.wait(), 30) == 1
    assert "00999" in second.text()


async def test_a_kill_in_the_middle_of_a_fan_out_repeats_one_event_and_loses_none(
    stage: Stage, tmp_path: Path
):
    """notification-runbook:69 notification-runbook:70 notification-runbook:71"""
    marker = tmp_path / "reached"
    process = await stage.start(
        NOTIFICATION_ROUTE_BATCH="1",
        NOTIFICATION_FAULT_POINT=f"notification.push_publisher.after_xadd:{marker}:4",
    )
    await process.is_ready()
    players = [stage.outside.people.add() for _ in range(8)]
    key = await stage.outside.intend("game.started", players, GAME)
    await eventually(lambda: _exists(marker), timeout=90)
    published = [event["event_id"] for event in await stage.outside.events()]
    routes = await stage.outside.fetch("SELECT id, state FROM routes WHERE lane = 'push'")
    unmarked = {r["id"] for r in routes if r["state"] == "pending"} & set(published)
    assert len(published) == 4, "half of the intent's events are out"
    assert len(unmarked) == 1, "the kill must fall while a route is in flight"
    await process.kill()
    await (await stage.start()).is_ready()
    assert set((await stage.outside.settled(key)).values()) == {"published"}
    copies = Counter(event["event_id"] for event in await stage.outside.events())
    assert copies == {r["id"]: 2 if r["id"] in unmarked else 1 for r in routes}
    deliveries = Counter(command["delivery_id"] for command in await stage.outside.mails())
    assert len(deliveries) == 8
    history = await stage.outside.fetch(
        "SELECT attempt_no, outcome FROM routes_attempts WHERE entry_id = ANY($1::uuid[]) ORDER BY 1",
        list(unmarked),
    )
    assert [tuple(row.values()) for row in history] == [(1, "unknown"), (2, "delivered")]


async def test_a_mail_command_published_twice_is_one_mail_to_the_mail_service(stage: Stage, tmp_path: Path):
    marker = tmp_path / "reached"
    process = await stage.start(NOTIFICATION_FAULT_POINT=f"notification.email_publisher.after_xadd:{marker}")
    ada = stage.outside.people.add()
    key = await stage.outside.intend("game.started", [ada], GAME)
    await eventually(lambda: _exists(marker), timeout=90)
    await process.kill()
    await (await stage.start()).is_ready()
    await stage.outside.settled(key)
    commands = await stage.outside.mails()
    assert len(commands) == 2
    assert len({(c["delivery_id"], c["idempotency_key"], c["variables_json"]) for c in commands}) == 1


async def test_log_lines_of_an_intent_say_what_it_is_and_where_it_belongs(stage: Stage):
    """notification-runbook:58-59"""
    process = await stage.start()
    await process.is_ready()
    ada = stage.outside.people.add()
    await stage.outside.settled(await stage.outside.intend(recipients=[ada]))
    process.child.send_signal(signal.SIGTERM)
    assert await process.child.wait() == 0
    lines = [line for line in process.lines() if line["event"] in ("intent_accepted", "route_published")]
    assert sorted(line["event"] for line in lines) == [
        "intent_accepted",
        "route_published",
        "route_published",
    ]
    for line in lines:
        assert line["notification_type"] == "game.turn.ready"
        assert line["producer"] == "backend"
        assert line["audience_kind"] == "user"
        assert (line["request_id"], line["trace_id"]) == ("req-7", "trace-7")
    assert len({line["record_id"] for line in lines}) == 1
    assert {line["route_id"] for line in lines if "route_id" in line} == {f"push:{ada}", f"email:{ada}"}


async def test_while_an_intent_is_held_new_ones_leave_no_routes_and_the_log_stops_before_it(stage: Stage):
    """notification-runbook:77-78"""
    process = await stage.start()
    await process.is_ready()
    ada = stage.outside.people.add()
    taken = await stage.outside.intend(recipients=[ada])
    await stage.outside.settled(taken)
    stage.outside.people.status = 503
    asked = stage.outside.people.asked
    held = [await stage.outside.intend(recipients=[ada]) for _ in range(3)]

    async def tried_again() -> bool:
        return stage.outside.people.asked >= asked + 2 and "stream_reader_holding" in process.events()

    await eventually(tried_again)
    assert [await stage.outside.routes(key) for key in held] == [{}, {}, {}]
    assert _accepted(process) == [taken]
    stage.outside.people.status = 200
    for key in held:
        assert set((await stage.outside.settled(key)).values()) == {"published"}

    async def told() -> bool:
        return _accepted(process) == [taken, *held]

    await eventually(told)


def _accepted(process: Process) -> list[str]:
    return [line["idempotency_key"] for line in process.lines() if line["event"] == "intent_accepted"]


async def _exists(path: Path) -> bool:
    return path.exists()  # noqa: ASYNC240 - one stat, in a test
