"""A gateway on real sockets before a small backend, and players who sign."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from gateway.app import Gateway, build
from gateway.settings import (
    BackendSettings,
    ExportSettings,
    LimitSettings,
    ResponseSettings,
    Settings,
)
from gateway.tests.backend import TOKEN, FakeBackend, FakePush
from gateway.tests.player import Player
from kit.redis_pool import RedisSettings
from kit.testing import eventually, fresh_redis

SettingsMaker = Callable[..., Settings]


@pytest.fixture
def redis_settings(valkey_url: str) -> RedisSettings:
    """Return settings of the session's Redis under a prefix of this test's own."""
    return fresh_redis(valkey_url)


@pytest.fixture
def signer_key() -> Ed25519PrivateKey:
    """Return the gateway's private key."""
    return Ed25519PrivateKey.generate()


@pytest.fixture
def signer_path(tmp_path: Path, signer_key: Ed25519PrivateKey) -> str:
    """Return where the gateway's private key lies."""
    path = tmp_path / "signer.pem"
    path.write_bytes(signer_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(path)


@pytest.fixture
async def backend() -> AsyncIterator[FakeBackend]:
    """Serve a small backend."""
    async with FakeBackend().running() as running:
        yield running


@pytest.fixture
async def push() -> AsyncIterator[FakePush]:
    """Serve a small push ring."""
    async with FakePush().running() as running:
        yield running


@pytest.fixture
def player(backend: FakeBackend) -> Player:
    """Return a signed-in player."""
    return backend.admit(Player())


@pytest.fixture
def make_settings(backend: FakeBackend, signer_path: str, redis_settings: RedisSettings) -> SettingsMaker:
    """Return a maker of settings for a gateway before the small backend, on free ports."""

    def make(**changes: Any) -> Settings:
        push_target = changes.pop("push_target", "")
        defaults: dict[str, Any] = {
            "public_http_addr": "127.0.0.1:0",
            "authenticated_grpc_addr": "127.0.0.1:0",
            "admin_http_addr": "127.0.0.1:0",
            "backend": BackendSettings(
                http_url=backend.url,
                grpc_push_url=push_target,
                gateway_client_id="gw-1",
                token=SecretStr(TOKEN),
            ),
            "response": ResponseSettings(signer_private_key_pem_path=signer_path),
            "redis": redis_settings,
            "limits": LimitSettings(
                session_rate=1e4, session_burst=10_000, user_rate=1e4, user_burst=10_000, public_burst=1000
            ),
            "otel": ExportSettings(traces_exporter="none", metrics_exporter="none"),
            "shutdown_timeout": "5s",
        }
        return Settings(**(defaults | changes))

    return make


GatewayStarter = Callable[..., Awaitable[Gateway]]


@pytest.fixture
async def start_gateway(make_settings: SettingsMaker) -> AsyncIterator[GatewayStarter]:
    """Return a starter of gateways that end with the test."""
    async with AsyncExitStack() as stack:

        async def start(**changes: Any) -> Gateway:
            arguments = {name: changes.pop(name) for name in ("routes", "clock", "new_id") if name in changes}
            return await stack.enter_async_context(build(make_settings(**changes), **arguments))

        yield start


PushGatewayStarter = Callable[..., Awaitable[Gateway]]


@pytest.fixture
def start_gateway_with_push(start_gateway: GatewayStarter, http: aiohttp.ClientSession) -> PushGatewayStarter:
    """Return a starter of gateways that have found their place in a push ring."""

    async def start(ring: FakePush, /, **changes: Any) -> Gateway:
        gateway = await start_gateway(push_target=ring.target, **changes)

        async def lane_began() -> bool:
            return await metric(http, gateway, "gateway_push_resyncs_total", lane="push") == 1

        await eventually(lane_began)
        return gateway

    return start


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Return a plain HTTP client."""
    async with aiohttp.ClientSession() as session:
        yield session


async def metric(http: aiohttp.ClientSession, gateway: Gateway, name: str, **labels: str) -> float:
    """Return a metric's value from the admin listener, 0 where it has not appeared yet."""
    async with http.get(f"http://{gateway.addresses['admin']}/metrics") as answer:
        page = await answer.text()
    total = 0.0
    for line in page.splitlines():
        if line.partition("{")[0].partition(" ")[0] == name and all(
            f'{label}="{value}"' in line for label, value in labels.items()
        ):
            total += float(line.rpartition(" ")[2])
    return total
