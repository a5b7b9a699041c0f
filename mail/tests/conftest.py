"""A whole mail service on real stores, and a relay that does what a test tells it to."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import asyncpg
import orjson
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from kit.clock import rfc3339
from kit.ids import uuid7
from kit.migrate import migrate
from kit.postgres import Database, in_schema
from kit.redis_pool import RedisSettings, open_redis
from kit.sealing import SealRing
from kit.settings import ServiceTokens
from kit.telemetry import OtelSettings
from kit.testing import eventually, fresh_database, fresh_redis, with_database
from mail.app import MIGRATIONS, SCHEMA, MailService, build
from mail.chaos.sink import Sink
from mail.settings import Settings

TOKEN = "a-service-token-for-tests"
SEAL_KEY = base64.b64encode(bytes(range(32))).decode()
SEAL = SealRing.from_text(SEAL_KEY)


def mail_settings(dsn: str, redis: RedisSettings, port: int, **more: Any) -> Settings:
    """Return settings that make a test quick: short waits, few connections."""
    tokens: ServiceTokens = (("backend", SecretStr(TOKEN)),)
    quick: dict[str, Any] = {
        "internal_http_addr": "127.0.0.1:0",
        "postgres_primary_dsn": SecretStr(dsn),
        "redis": redis,
        "service_tokens": tokens,
        "seal_keys": SecretStr(SEAL_KEY),
        "smtp_host": "127.0.0.1",
        "smtp_port": port,
        "smtp_from": "Galaxy <galaxy@mail.test>",
        "smtp_tls_mode": "none",
        "otel": OtelSettings(traces_exporter="none", metrics_exporter="none"),
        "smtp_timeout": "2s",
        "smtp_final_timeout": "1s",
        "lease": "10s",
        "code_smtp_timeout": "2s",
        "code_smtp_final_timeout": "1s",
        "code_lease": "10s",
        "code_unknown_wait": "100ms",
        "unknown_wait": "100ms",
        "worker_interval": "50ms",
        "smtp_connections": 4,
        "workers": 2,
        "code_connections": 2,
        "shutdown_timeout": "5s",
    }
    return Settings(**{**quick, **more})


@dataclass
class Post:
    """The outside of a mail service: its stream, its tables, its API, its relay."""

    settings: Settings
    sink: Sink
    redis: "Redis"
    database: Database
    http: aiohttp.ClientSession

    async def send(
        self, template_id: str = "game.started", to: str = "ada@example.test", **fields: str
    ) -> str:
        """Write a delivery command to the stream; return its delivery id."""
        delivery_id = fields.pop("delivery_id", uuid7())
        variables = {"game_id": "g-1", "game_name": "Sol"}
        command = {
            "kind": "send",
            "delivery_id": delivery_id,
            "source": "notification",
            "template_id": template_id,
            "locale": "en",
            "to": to,
            "variables_json": orjson.dumps(variables).decode(),
            "sealed": "",
            "unsubscribe_url": "",
            "user_id": "",
            "expires_at": "",
            "idempotency_key": f"test:{delivery_id}",
            "occurred_at": rfc3339(datetime.now(UTC)),
            "request_id": "req-1",
            "trace_id": "",
            **fields,
        }
        await self.write(command)
        return delivery_id

    async def send_code(self, code: str = "123456", *, expires_at: datetime, **fields: str) -> str:
        """Write a sealed sign-in code command; return its delivery id."""
        delivery_id = uuid7()
        sealed = SEAL.seal(orjson.dumps({"code": code, "minutes": 10}), bound_to=delivery_id)
        return await self.send(
            "auth.sign_in_code",
            delivery_id=delivery_id,
            source="backend",
            variables_json=sealed,
            sealed="1",
            expires_at=rfc3339(expires_at),
            **fields,
        )

    async def write(self, fields: dict[Any, Any]) -> str:
        """Write any fields to the stream; return the stream id."""
        stream = self.settings.redis.key(self.settings.delivery_commands_stream)
        stream_id = await self.redis.xadd(stream, fields)
        return stream_id.decode() if isinstance(stream_id, bytes) else stream_id

    async def row(self, delivery_id: str) -> dict[str, Any] | None:
        """Return the delivery's row, or None."""
        async with self.database.connection() as connection:
            row = await connection.fetchrow("SELECT * FROM deliveries WHERE id = $1", delivery_id)
        return dict(row) if row else None

    async def fetch(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        """Ask the database."""
        async with self.database.connection() as connection:
            return [dict(row) for row in await connection.fetch(query, *arguments)]

    async def execute(self, query: str, *arguments: Any) -> None:
        """Tell the database."""
        async with self.database.transaction() as connection:
            await connection.execute(query, *arguments)

    async def reaches(self, delivery_id: str, state: str, timeout: float = 20.0) -> dict[str, Any]:
        """Wait until a delivery is in a state; return its row."""
        last: dict[str, Any] | None = None

        async def there() -> bool:
            nonlocal last
            last = await self.row(delivery_id)
            return last is not None and last["state"] == state

        try:
            await eventually(there, timeout)
        except TimeoutError:
            raise AssertionError(f"{delivery_id} is not {state} but {last}") from None
        assert last is not None
        return last

    async def history(self, delivery_id: str) -> list[tuple[int, str, str | None]]:
        """Return the attempts of a delivery: number, outcome, classification."""
        rows = await self.fetch(
            "SELECT attempt_no, outcome, classification FROM deliveries_attempts WHERE entry_id = $1 ORDER BY 1",
            delivery_id,
        )
        return [(r["attempt_no"], r["outcome"], r["classification"]) for r in rows]

    async def call(self, method: str, path: str, token: str | None = TOKEN) -> tuple[int, Any]:
        """Call the operator API; return status and JSON."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.http.request(method, f"/api/v1/internal/mail{path}", headers=headers) as response:
            return response.status, orjson.loads(await response.read())


StartMail = Callable[..., Awaitable[tuple[MailService, Post]]]


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    """Give a relay that takes everything until told otherwise."""
    async with Sink().serving() as serving:
        yield serving


@pytest.fixture(scope="session")
def migrated_template(postgres_admin_dsn: str) -> Iterator[str]:
    """Make a migrated database once a session; give its name, for tests to copy."""
    name = f"template_mail_{secrets.token_hex(4)}"

    async def make() -> None:
        admin = await asyncpg.connect(postgres_admin_dsn)
        await admin.execute(f'CREATE DATABASE "{name}"')
        await admin.close()
        await migrate(in_schema(with_database(postgres_admin_dsn, name), SCHEMA), SCHEMA, MIGRATIONS)

    async def drop() -> None:
        admin = await asyncpg.connect(postgres_admin_dsn)
        await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await admin.close()

    with ThreadPoolExecutor(1) as beside:  # the test's own loop may be running in this thread
        beside.submit(asyncio.run, make()).result()
        yield name
        beside.submit(asyncio.run, drop()).result()


@pytest.fixture
async def start_mail(
    postgres_admin_dsn: str, migrated_template: str, valkey_url: str, sink: Sink
) -> AsyncIterator[StartMail]:
    """Give a function that starts a mail service with other settings than the usual ones."""
    async with AsyncExitStack() as stack:
        dsn = await stack.enter_async_context(fresh_database(postgres_admin_dsn, migrated_template))
        redis_settings = fresh_redis(valkey_url)
        redis = await stack.enter_async_context(open_redis(redis_settings))

        async def start(**more: Any) -> tuple[MailService, Post]:
            settings = mail_settings(dsn, redis_settings, sink.port, **more)
            service = await stack.enter_async_context(build(settings))
            database = await stack.enter_async_context(Database.open(in_schema(dsn, SCHEMA), "mail-test"))
            http = await stack.enter_async_context(
                aiohttp.ClientSession(base_url=f"http://{service.listener.address}")
            )
            return service, Post(settings, sink, redis, database, http)

        yield start


@pytest.fixture
async def post(start_mail: StartMail) -> Post:
    """Give a running mail service with the usual settings."""
    _, outside = await start_mail()
    return outside
