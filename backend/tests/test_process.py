"""The whole process: start, standby, takeover, Postgres going and coming, stopping."""

import asyncio
import secrets
import signal

import aiohttp
import asyncpg
import pytest

from backend.app import MIGRATIONS, SCHEMA
from backend.tests.driving import GATEWAY_TOKEN, RunningBackend
from backend.tests.process import BackendProcess, backend_process
from deploy.embedded.logfile import LogFile
from deploy.embedded.postgres import Postgres
from kit.migrate import migrate
from kit.testing import eventually, with_schema

pytestmark = [pytest.mark.stores, pytest.mark.timeout(120)]


@pytest.fixture
def own_postgres(tmp_path):
    """Give a PostgreSQL server of this test's own, made and not started."""
    log = LogFile(tmp_path / "postgres.log")
    server = Postgres(tmp_path / "pg", secrets.token_hex(16), log, settings={"fsync": "off"})
    server.initialise()
    yield server
    server.stop()
    log.close()


async def test_a_backend_serves_stops_cleanly_and_takes_its_ready_file_away(
    make_settings, backend_dsn, tmp_path
):
    """backend-runbook:80-84 liveness and readiness; ready-file with the bound addresses."""
    async with backend_process(make_settings(backend_dsn), tmp_path) as process:
        await process.wait_reason("ready")
        addresses = process.addresses
        assert addresses is not None
        assert set(addresses) == {"pid", "http", "push"}
        assert addresses["pid"] == process.process.pid
        assert await process.get("/healthz") == (200, {"status": "ok"})
        process.process.send_signal(signal.SIGTERM)
        assert await process.wait_exit() == 0
        assert process.addresses is None
        assert process.events("process_stopped")


async def test_a_backend_without_postgres_lives_waits_and_goes_on_by_itself(
    make_settings, own_postgres, tmp_path
):
    """backend-runbook:80-84 `/healthz` is 200 while `/readyz` is 503 until Postgres answers."""
    own_postgres.start()
    dsn = with_schema(own_postgres.dsn(), SCHEMA)
    own_postgres.stop()
    async with backend_process(make_settings(dsn), tmp_path) as process:
        await process.wait_reason("waiting_for_postgres")
        assert await process.get("/healthz") == (200, {"status": "ok"})
        refused = await process.get("/api/v1/internal/users/x")
        assert refused is not None
        assert refused[0] == 503
        assert process.addresses is None
        await asyncio.to_thread(own_postgres.start, keep_port=True)
        await process.wait_reason("ready")
        assert process.addresses is not None


async def test_a_restart_of_postgres_costs_readiness_for_a_while_and_nothing_else(
    make_settings, own_postgres, tmp_path
):
    own_postgres.start()
    dsn = with_schema(own_postgres.dsn(), SCHEMA)
    async with backend_process(make_settings(dsn), tmp_path) as process:
        await process.wait_reason("ready")
        await asyncio.to_thread(own_postgres.stop)
        await process.wait_reason("postgres_unavailable")
        assert await process.get("/healthz") == (200, {"status": "ok"})
        await asyncio.to_thread(own_postgres.start, keep_port=True)
        await process.wait_reason("ready")
        watcher = await asyncpg.connect(dsn)
        assert await watcher.fetchval("SELECT epoch FROM leader") == 1
        await watcher.close()
        await eventually(lambda: _said(process, "leadership_lock_regained"))


async def test_a_standby_lives_refuses_and_takes_over_from_a_killed_leader(
    make_settings, backend_dsn, tmp_path
):
    settings = make_settings(backend_dsn)
    async with (
        backend_process(settings, tmp_path, "first") as first,
        backend_process(settings, tmp_path, "second") as second,
    ):
        one, other = await _leader_and_standby(first, second)
        assert await other.get("/healthz") == (200, {"status": "ok"})
        refused = await other.get("/api/v1/internal/users/x")
        assert refused is not None
        assert refused[0] == 503
        assert refused[1]["error"]["code"] == "service_unavailable"
        one.process.kill()
        await other.wait_reason("ready")
        assert other.addresses is not None


async def test_a_leader_that_was_stopped_for_a_while_ends_once_it_wakes(make_settings, backend_dsn, tmp_path):
    """Its lock's connection is cut while it cannot notice; the epoch row tells it on its return."""
    settings = make_settings(backend_dsn)
    async with (
        backend_process(settings, tmp_path, "first") as first,
        backend_process(settings, tmp_path, "second") as second,
    ):
        one, other = await _leader_and_standby(first, second)
        one.process.send_signal(signal.SIGSTOP)
        watcher = await asyncpg.connect(backend_dsn)
        await watcher.execute(
            "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
            " WHERE l.locktype = 'advisory' AND l.granted AND a.application_name = 'backend-leadership'"
            " AND a.datname = current_database()"
        )
        await watcher.close()
        await other.wait_reason("ready")
        one.process.send_signal(signal.SIGCONT)
        assert await one.wait_exit() == 3
        assert one.events("leadership_lost")
        assert await other.ready_reason() == "ready"


async def test_a_backend_that_waits_or_stands_by_stops_as_cleanly_as_an_active_one(
    make_settings, backend_dsn, tmp_path
):
    settings = make_settings(backend_dsn)
    nowhere = make_settings("postgresql://u:p@127.0.0.1:1/x?search_path=backend")
    async with (
        backend_process(nowhere, tmp_path, "waiting") as waiting,
        backend_process(settings, tmp_path, "first") as first,
        backend_process(settings, tmp_path, "second") as second,
    ):
        await waiting.wait_reason("waiting_for_postgres")
        one, other = await _leader_and_standby(first, second)
        for process in (waiting, other, one):
            process.process.send_signal(signal.SIGTERM)
            assert await process.wait_exit() == 0
            assert "Traceback" not in process.log_text()


async def test_a_wrong_password_ends_the_start_with_a_sentence(make_settings, backend_dsn, tmp_path):
    wrong = backend_dsn.replace("postgres:", "postgres:wrong", 1)
    async with backend_process(make_settings(wrong), tmp_path) as process:
        assert await process.wait_exit() == 1
        assert "PostgreSQL refuses this service" in process.log_text()
        assert "Traceback" not in process.log_text()


async def test_a_taken_address_ends_the_start_with_a_sentence(make_settings, backend_dsn, tmp_path):
    settings = make_settings(backend_dsn)
    async with backend_process(settings, tmp_path) as process:
        await process.wait_reason("ready")
        assert process.addresses is not None
        taken = process.addresses["push"]
        async with backend_process(settings, tmp_path, "late", BACKEND_GRPC_PUSH_LISTEN_ADDR=taken) as late:
            assert await late.wait_exit() == 1
            assert f"cannot listen on {taken}" in late.log_text()


async def test_the_scrape_page_stands_on_a_listener_of_its_own(make_settings, backend_dsn, tmp_path):
    """backend-runbook:152-155 prometheus exporter with its own listener, off the REST surface."""
    changes = {
        "BACKEND_OTEL_METRICS_EXPORTER": "prometheus",
        "BACKEND_OTEL_PROMETHEUS_LISTEN_ADDR": "127.0.0.1:0",
    }
    async with backend_process(make_settings(backend_dsn), tmp_path, **changes) as process:
        await process.wait_reason("ready")
        assert process.addresses is not None
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://{process.addresses['prometheus']}/metrics") as page:
                assert page.status == 200
                assert "outbox_depth" in await page.text()
            headers = {"Authorization": f"Bearer {GATEWAY_TOKEN}"}
            async with session.get(f"{process.base_url}/metrics", headers=headers) as page:
                assert page.status == 404


async def test_addresses_never_stand_in_logs_and_every_line_of_a_request_has_its_ids(
    make_settings, backend_dsn, redis, tmp_path
):
    """backend-runbook:147-148 a keyed hash in place of the address; backend-runbook:157-159 ids on every line."""
    settings = make_settings(backend_dsn)
    async with backend_process(settings, tmp_path) as process:
        await process.wait_reason("ready")
        async with RunningBackend.open(process.base_url, settings) as driven:
            player = await driven.sign_in(redis, "ada.lovelace@example.org")
            session = f"/api/v1/internal/sessions/{player.device_session_id}"
            await driven.call("GET", session, headers={"X-Request-Id": "look-here"})

        def served() -> list[str]:
            lines = process.events("request_served")
            return [str(line["path"]) for line in lines if line["request_id"] == "look-here"]

        async def logged() -> bool:
            return bool(served())

        await eventually(logged)  # the line is written behind the answer
        text = process.log_text()
        assert "ada.lovelace" not in text
        signed_in = process.events("signed_in")[0]
        assert len(signed_in["email_hash"]) == 16
        assert signed_in["request_id"]
        assert len(signed_in["otel_trace_id"]) == 32
        assert len(signed_in["otel_span_id"]) == 16
        assert served() == [session]


async def test_a_database_of_a_newer_release_ends_the_start(make_settings, own_postgres, tmp_path):
    own_postgres.start()
    dsn = with_schema(own_postgres.dsn(), SCHEMA)
    await migrate(dsn, SCHEMA, MIGRATIONS)
    newer = await asyncpg.connect(dsn)
    await newer.execute("UPDATE backend.alembic_version SET version_num = '99999'")
    await newer.close()
    async with backend_process(make_settings(dsn), tmp_path) as process:
        assert await process.wait_exit() == 1
        assert "run the newer release" in process.log_text()


async def _leader_and_standby(
    first: BackendProcess, second: BackendProcess
) -> tuple[BackendProcess, BackendProcess]:
    async def settled() -> bool:
        reasons = {await first.ready_reason(), await second.ready_reason()}
        return reasons == {"ready", "standby"}

    await eventually(settled, 30)
    return (first, second) if await first.ready_reason() == "ready" else (second, first)


async def _said(process: BackendProcess, event: str) -> object:
    return process.events(event)
