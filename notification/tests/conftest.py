"""A whole notification service on real stores, and a User Service that tests fill with people."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson
import pytest
from aiohttp import web
from pydantic import SecretStr
from redis.asyncio import Redis

from kit.clock import rfc3339
from kit.ids import uuid7
from kit.migrate import migrate
from kit.postgres import Database, in_schema
from kit.redis_pool import RedisSettings, open_redis
from kit.telemetry import OtelSettings
from kit.testing import eventually, fresh_database, fresh_redis, with_database
from notification.app import MIGRATIONS, SCHEMA, NotificationService, build
from notification.settings import AdminSettings, RouteSettings, Settings

TOKEN = "a-service-token-for-tests"
GAME = {"game_id": "01900000-0000-7000-8000-000000000001", "game_name": "Sol"}
TURN = {**GAME, "turn": 3, "deadline_at": "2030-01-02T18:00:00.000Z"}
DEVICE = {
    "device_name": "a new phone",
    "country": None,
    "signed_in_at": "2030-01-01T00:00:00.000Z",
    "sign_out_url": "https://galaxy.test/out?token=secret",
}


@dataclass
class People:
    """A User Service: answers `GET /api/v1/internal/users/{id}` over HTTP."""

    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    status: int = 200
    """Anything else is what every call gets."""
    asked: int = 0
    hold: asyncio.Event | None = None
    """Keep every caller waiting until it is set."""
    base_url: str = ""

    def add(self, **more: Any) -> str:
        """Make a user; return the id."""
        user_id = uuid7()
        self.users[user_id] = {
            "user_id": user_id,
            "status": "active",
            "email": f"{user_id[-6:]}@example.test",
            "display_name": "Ada",
            "locale": "en",
            "time_zone": "Europe/Berlin",
            "email_off": [],
            "quiet_hours": None,
            "unsubscribe_token": "tok/en",
            **more,
        }
        return user_id

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["People"]:
        """Listen on a free port of the loopback interface for the length of the context."""
        app = web.Application()
        app.router.add_get("/api/v1/internal/users/{user_id}", self._answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.hold is not None:
            await self.hold.wait()
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"error": {"code": "unauthenticated"}}, status=401)
        if self.status != 200:
            return web.json_response({"error": {"code": "service_unavailable"}}, status=self.status)
        user = self.users.get(request.match_info["user_id"])
        if user is None:
            return web.json_response({"error": {"code": "user.not_found"}}, status=404)
        return web.json_response(user)


def notification_settings(dsn: str, redis: RedisSettings, base_url: str, **more: Any) -> Settings:
    """Return settings that make a test quick."""
    fields: dict[str, Any] = {
        "internal_http_addr": "127.0.0.1:0",
        "postgres_primary_dsn": SecretStr(dsn),
        "redis": redis,
        "user_service_base_url": base_url,
        "backend_token": SecretStr(TOKEN),
        "public_base_url": "https://galaxy.test",
        "address_hash_key": SecretStr("a-key-of-address-hashes"),
        "route": RouteSettings.model_validate({"worker_interval": "50ms", "lease": "5s"}),
        "admin": AdminSettings(),
        "shutdown_timeout": "5s",
        "otel": OtelSettings(traces_exporter="none", metrics_exporter="none"),
        **more,
    }
    return Settings(**fields)


@dataclass
class Outside:
    """The outside of a notification service: its streams and its tables."""

    settings: Settings
    people: People
    redis: "Redis"
    database: Database

    async def intend(
        self,
        notification_type: str = "game.turn.ready",
        recipients: list[str] | None = None,
        payload: Any = None,
        **fields: Any,
    ) -> str:
        """Write an intent to the stream; return its idempotency key."""
        key = fields.pop("idempotency_key", uuid7())
        await self.write(
            {
                "notification_type": notification_type,
                "producer": "backend",
                "audience_kind": "user" if recipients else "admin",
                "recipient_user_ids": orjson.dumps(recipients or []),
                "idempotency_key": key,
                "occurred_at": rfc3339(datetime.now(UTC)),
                "payload_json": orjson.dumps(TURN if payload is None else payload),
                "request_id": "req-7",
                "trace_id": "trace-7",
                **fields,
            }
        )
        return str(key)

    async def write(self, fields: dict[Any, Any]) -> str:
        """Write any fields to the stream; return the stream id."""
        stream_id = await self.redis.xadd(self.key(self.settings.intents_stream), fields)
        return stream_id.decode() if isinstance(stream_id, bytes) else stream_id

    def key(self, name: str) -> str:
        """Spell a key as in this deployment."""
        return self.settings.redis.key(name)

    async def stream(self, name: str) -> list[dict[str, str]]:
        """Return the entries of a stream as text."""
        rows: Any = await self.redis.xrange(self.key(name))
        return [{k.decode(): v.decode() for k, v in fields.items()} for _, fields in rows]

    async def events(self) -> list[dict[str, str]]:
        """Return what was published for gateways."""
        return await self.stream(self.settings.gateway_client_events_stream)

    async def mails(self) -> list[dict[str, str]]:
        """Return what was published for the mail service."""
        return await self.stream(self.settings.mail_delivery_commands_stream)

    async def fetch(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        """Ask the database."""
        async with self.database.connection() as connection:
            return [dict(row) for row in await connection.fetch(query, *arguments)]

    async def execute(self, query: str, *arguments: Any) -> None:
        """Tell the database."""
        async with self.database.transaction() as connection:
            await connection.execute(query, *arguments)

    async def routes(self, key: str) -> dict[str, str]:
        """Return the routes of an intent: route id → state."""
        rows = await self.fetch(
            "SELECT route_id, state FROM routes JOIN records USING (record_id) WHERE idempotency_key = $1",
            key,
        )
        return {row["route_id"]: row["state"] for row in rows}

    async def settled(self, key: str, timeout: float = 60.0) -> dict[str, str]:
        """Wait until an intent has a record whose routes have all ended; return them."""

        async def ended() -> bool:
            known = await self.fetch("SELECT FROM records WHERE idempotency_key = $1", key)
            return bool(known) and not set((await self.routes(key)).values()) & {"pending", "failed"}

        await eventually(ended, timeout)
        return await self.routes(key)

    async def malformed(self, count: int = 1) -> list[dict[str, Any]]:
        """Wait until so many malformed intents are kept; return them."""
        rows: list[dict[str, Any]] = []

        async def kept() -> bool:
            nonlocal rows
            rows = await self.fetch("SELECT * FROM malformed_intents ORDER BY stream_id")
            return len(rows) >= count

        await eventually(kept)
        return rows


StartNotification = Callable[..., Awaitable[tuple[NotificationService, Outside]]]


@pytest.fixture
async def people() -> AsyncIterator[People]:
    """Give a User Service with nobody in it."""
    async with People().serving() as serving:
        yield serving


@pytest.fixture(scope="session")
def migrated_template(postgres_admin_dsn: str) -> Iterator[str]:
    """Make a migrated database once a session; give its name, for tests to copy."""
    name = f"template_notification_{secrets.token_hex(4)}"

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
async def start_notification(
    postgres_admin_dsn: str, migrated_template: str, valkey_url: str, people: People
) -> AsyncIterator[StartNotification]:
    """Give a function that starts a notification service with other settings than the usual ones."""
    async with AsyncExitStack() as stack:
        dsn = await stack.enter_async_context(fresh_database(postgres_admin_dsn, migrated_template))
        redis_settings = fresh_redis(valkey_url)
        redis = await stack.enter_async_context(open_redis(redis_settings))

        async def start(**more: Any) -> tuple[NotificationService, Outside]:
            settings = notification_settings(dsn, more.pop("redis", redis_settings), people.base_url, **more)
            service = await stack.enter_async_context(build(settings))
            database = await stack.enter_async_context(
                Database.open(in_schema(dsn, SCHEMA), "notification-test")
            )
            return service, Outside(settings, people, redis, database)

        yield start


@pytest.fixture
async def outside(start_notification: StartNotification) -> Outside:
    """Give a running notification service with the usual settings."""
    _, outside = await start_notification()
    return outside
