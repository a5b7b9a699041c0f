"""A backend of a test's own: a fresh copy of the migrated database, its own Redis prefix, real listeners on free ports."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr
from redis.asyncio import Redis

from backend.admin.passwords import Passwords
from backend.app import MIGRATIONS, SCHEMA, build
from backend.settings import BackendSettings
from backend.tests.driving import GATEWAY_TOKEN, NOTIFICATION_TOKEN, RunningBackend
from kit.migrate import migrate
from kit.redis_pool import redis_client
from kit.sealing import SealRing
from kit.testing import ManualClock, fresh_database, fresh_redis, with_database, with_schema

# As good as none: what tests show of operators does not hang on how long a hash takes.
QUICK_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture(scope="session")
def backend_template(postgres_admin_dsn: str) -> str:
    """Return the name of a database that holds the migrated schema and nothing else; copy it."""
    name = f"template_{secrets.token_hex(6)}"

    async def make() -> None:
        admin = await asyncpg.connect(postgres_admin_dsn)
        try:
            await admin.execute(f'CREATE DATABASE "{name}"')
        finally:
            await admin.close()
        dsn = with_schema(with_database(postgres_admin_dsn, name), SCHEMA)
        await migrate(dsn, SCHEMA, MIGRATIONS)

    asyncio.run(make())
    return name


@pytest.fixture
async def backend_dsn(postgres_admin_dsn: str, backend_template: str) -> AsyncIterator[str]:
    """Give a fresh migrated database with the schema in its search path."""
    async with fresh_database(postgres_admin_dsn, template=backend_template) as dsn:
        yield with_schema(dsn, SCHEMA)


@pytest.fixture
def make_settings(valkey_url: str) -> Callable[..., BackendSettings]:
    """Return a maker of settings: `make_settings(dsn, push={...})` replaces whole groups or single values in them."""
    redis = fresh_redis(valkey_url)
    auth_key = base64.b64encode(secrets.token_bytes(32)).decode()
    seal_key = base64.b64encode(secrets.token_bytes(32)).decode()

    def make(dsn: str, **changes: dict[str, Any]) -> BackendSettings:
        given: dict[str, Any] = {
            "http": {"listen_addr": "127.0.0.1:0"},
            "grpc": {"push_listen_addr": "127.0.0.1:0"},
            "postgres": {"dsn": dsn, "min_size": 0, "connect_interval": "50ms"},
            "redis": redis.model_dump(),
            "service_tokens": f"gateway:{GATEWAY_TOKEN},notification:{NOTIFICATION_TOKEN}",
            "seal_keys": seal_key,
            "auth": {"hash_key": auth_key, "codes_per_address_hour": 1000, "codes_per_ip_hour": 1000},
            "admin": {"bootstrap_user": "root", "bootstrap_password": "correct horse battery"},
            "notification": {"worker_interval": "100ms"},
            "mail": {"worker_interval": "100ms"},
            "leadership": {"poll_interval": "50ms"},
            "runtime": {"adapter": "process"},
            "shutdown_timeout": "3s",
            "otel": {"traces_exporter": "none", "metrics_exporter": "none"},
        }
        for name, value in changes.items():
            old = given.get(name)
            given[name] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
        return BackendSettings(**given)

    return make


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands until it is wound on."""
    return ManualClock()


@pytest.fixture
def settings(make_settings: Callable[..., BackendSettings], backend_dsn: str) -> BackendSettings:
    """Return the settings of this test's backend."""
    return make_settings(backend_dsn)


@asynccontextmanager
async def running(
    settings: BackendSettings, clock: ManualClock | None = None
) -> AsyncIterator[RunningBackend]:
    """Run a whole backend in this process until it is active, and stop it in order afterwards."""
    stopping, ready = asyncio.Event(), asyncio.Event()
    async with build(settings, clock=clock, passwords=Passwords(QUICK_HASHER)) as backend:
        serving = asyncio.ensure_future(backend.serve(stopping, ready.set))
        waiting = asyncio.ensure_future(ready.wait())
        try:
            async with asyncio.timeout(20):
                await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
            url = f"http://{backend.http.address}"
            async with RunningBackend.open(url, settings, backend.push.address) as driven:
                yield driven
        finally:
            waiting.cancel()
            stopping.set()
            async with asyncio.timeout(20):
                await serving


@pytest.fixture
def run_backend() -> Callable[..., Any]:
    """Return `running`, for tests that need several backends or other settings."""
    return running


@pytest.fixture
async def backend(settings: BackendSettings, clock: ManualClock) -> AsyncIterator[RunningBackend]:
    """Give this test's own active backend, on the hand-wound clock."""
    async with running(settings, clock) as driven:
        yield driven


@pytest.fixture
async def redis(settings: BackendSettings) -> AsyncIterator["Redis"]:
    """Give a client of this test's Redis."""
    client = redis_client(settings.redis)
    yield client
    await client.aclose()


@pytest.fixture
def seals(settings: BackendSettings) -> SealRing:
    """Return the ring that opens what this backend seals."""
    return SealRing.from_text(settings.seal_keys.get_secret_value())


@pytest.fixture
def secret() -> Callable[[str], SecretStr]:
    """Return the wrapper of secrets, for settings built in tests."""
    return SecretStr
