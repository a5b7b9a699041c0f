"""`python -m gateway` as operators run it."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from gateway.tests.backend import TOKEN, FakeBackend
from gateway.tests.clients import Refused, edge_client
from gateway.tests.player import Player
from kit.redis_pool import RedisSettings
from kit.testing import eventually

pytestmark = pytest.mark.stores
ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(redis_settings: RedisSettings, signer_path: str, backend: FakeBackend) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}",
        "GATEWAY_PUBLIC_HTTP_ADDR": "127.0.0.1:0",
        "GATEWAY_AUTHENTICATED_GRPC_ADDR": "127.0.0.1:0",
        "GATEWAY_BACKEND_HTTP_URL": backend.url,
        "GATEWAY_BACKEND_TOKEN": TOKEN,
        "GATEWAY_RESPONSE_SIGNER_PRIVATE_KEY_PEM_PATH": signer_path,
        "GATEWAY_REDIS_MASTER_ADDR": redis_settings.master_addr,
        "GATEWAY_REDIS_PASSWORD": redis_settings.password.get_secret_value(),
        "GATEWAY_REDIS_DB": str(redis_settings.db),
        "GATEWAY_REDIS_KEY_PREFIX": redis_settings.key_prefix,
        "GATEWAY_OTEL_TRACES_EXPORTER": "none",
        "GATEWAY_OTEL_METRICS_EXPORTER": "none",
    }


@asynccontextmanager
async def process(environment: dict[str, str], ready: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a gateway; it is ended with the context, if it still runs."""
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        "--ready-file",
        str(ready),
        "--die-with-parent",
        env=environment,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


async def is_ready(ready: Path, running: asyncio.subprocess.Process) -> dict[str, Any]:
    """Wait for the ready file."""

    async def there() -> bool:
        assert running.returncode is None, "it ended instead"
        return ready.exists()  # noqa: ASYNC240 - a look at a local file

    await eventually(there, 30)
    addresses: dict[str, Any] = orjson.loads(ready.read_bytes())  # noqa: ASYNC240 - as above
    return addresses


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_ends_streams_then_listeners_in_order_and_in_time(
    environment: dict[str, str],
    tmp_path: Path,
    player: Player,
    stop: signal.Signals,
    http: aiohttp.ClientSession,
):
    """gateway-runbook-latest:68 both signals are handled; gateway-runbook-latest:72 subscribers stop with the application.

    gateway-runbook-latest:73 the hub closes before the listeners; gateway-runbook-latest:74 streams end with UNAVAILABLE.
    gateway-runbook-latest:60-66 the start tells its listeners, its Redis and its streams, and both probes answer;
    gateway-runbook-latest:76-78 the stop tells what stopped; gateway-runtime:20-21;
    gateway-runbook-latest:111-112, gateway-runbook-redis-streams:56 why a stream ended; gateway-runbook-latest:125,
    gateway-runbook-redis-streams:65 and whose it was.
    gateway-runbook-redis-streams:22-27, gateway-runbook-redis-streams:29, gateway-runbook-redis-streams:31-35.
    """
    ready = tmp_path / "ready.json"
    async with process(environment, ready) as running:
        addresses = await is_ready(ready, running)
        assert addresses["pid"] == running.pid
        for probe in ("/healthz", "/readyz"):
            async with http.get(f"http://{addresses['public']}{probe}") as answer:
                assert answer.status == 200
        async with edge_client("grpc-h2", addresses["edge"]) as client:
            events = client.subscribe(player.subscription())
            await anext(events)
            running.send_signal(stop)
            with pytest.raises(Refused) as refused:
                await anext(events)
        assert (refused.value.code, refused.value.message) == ("unavailable", "gateway is shutting down")
        out, _ = await asyncio.wait_for(running.communicate(), 15)
    assert running.returncode == 0
    assert not ready.exists()
    lines = [orjson.loads(line) for line in out.splitlines()]
    happened = [line["event"] for line in lines]
    order = [
        "listener_started",
        "gateway_ready",
        "process_stopping",
        "worker_stopped",
        "push_hub_closing",
        "listener_stopped",
    ]
    places = [happened.index(event) for event in order]
    assert places == sorted(places)
    told = next(line for line in lines if line["event"] == "gateway_ready")
    assert told["redis"].startswith(environment["GATEWAY_REDIS_MASTER_ADDR"])
    assert told["client_events_stream"] == "gateway:client-events"
    closed = next(line for line in lines if line["event"] == "push_stream_closed")
    assert (closed["reason"], closed["device_session_id"]) == ("shutdown", player.device_session_id)
    served = next(line for line in lines if line["event"] == "subscription_served")
    assert served["otel_trace_id"]
    assert served["otel_span_id"]
    assert served["request_id"] == closed["request_id"]
    assert all(line["service"] == "gateway" for line in lines)


async def test_each_listener_reports_what_it_serves(
    environment: dict[str, str], tmp_path: Path, player: Player, http: aiohttp.ClientSession
):
    """gateway-runtime:30-32 public calls in traced log lines, edge calls in those and in metrics, which admin serves."""
    ready = tmp_path / "ready.json"
    async with process(environment | {"GATEWAY_ADMIN_HTTP_ADDR": "127.0.0.1:0"}, ready) as running:
        addresses = await is_ready(ready, running)
        async with http.get(f"http://{addresses['public']}/no-such-page") as answer:
            assert answer.status == 404
            public_request = answer.headers["x-request-id"]
        command = player.command("user.account.get")
        async with edge_client("grpc-h2", addresses["edge"]) as client:
            await client.execute(command)
        async with http.get(f"http://{addresses['admin']}/metrics") as answer:
            page = await answer.text()
        running.send_signal(signal.SIGTERM)
        out, _ = await asyncio.wait_for(running.communicate(), 15)
    samples = [line for line in page.splitlines() if line.startswith("gateway_edge_requests_total{")]
    assert [line.rpartition(" ")[2] for line in samples] == ["1.0"]
    lines = [orjson.loads(line) for line in out.splitlines()]
    listeners = {line["listener"] for line in lines if line["event"] == "listener_started"}
    assert listeners == {"public", "edge", "admin"}
    for request_id in (public_request, command.request_id):
        traced = [line for line in lines if line.get("request_id") == request_id]
        assert traced
        assert len({line["otel_trace_id"] for line in traced}) == 1


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"GATEWAY_REDIS_MASTER_ADDR": "127.0.0.1:1"}, 1, "Redis does not answer"),
        ({"GATEWAY_REDIS_PASSWORD": "wrong"}, 1, "Redis does not answer"),
        ({"GATEWAY_RESPONSE_SIGNER_PRIVATE_KEY_PEM_PATH": "/nowhere.pem"}, 1, "/nowhere.pem"),
        ({"GATEWAY_BACKEND_HTTP_URL": "backend"}, 2, "GATEWAY_BACKEND_HTTP_URL"),
        ({"GATEWAY_REDIS_TLS_ENABLED": "true"}, 2, "is retired"),
    ],
)
async def test_a_wrong_start_fails_fast_with_a_sentence(
    environment: dict[str, str], tmp_path: Path, change: dict[str, str], code: int, says: str
):
    """gateway-runbook-latest:37-38 startup fails fast; gateway-runbook-redis-streams:8; gateway-runtime:42-43.

    gateway-runbook-latest:33-34 Redis is asked before anything listens; gateway-runbook-latest:29-31 what is retired.
    """
    async with process(environment | change, tmp_path / "ready.json") as running:
        out, errors = await asyncio.wait_for(running.communicate(), 30)
    assert running.returncode == code
    assert b"listener_started" not in out
    assert says in errors.decode()
    assert "Traceback" not in errors.decode()


async def test_a_taken_port_is_named(environment: dict[str, str], tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        changed = environment | {"GATEWAY_AUTHENTICATED_GRPC_ADDR": address}
        async with process(changed, tmp_path / "ready.json") as running:
            _, errors = await asyncio.wait_for(running.communicate(), 30)
    assert running.returncode == 1
    assert address in errors.decode()
