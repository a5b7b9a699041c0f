"""The rooms of the game on a real Postgres, behind real HTTP, with the backend's own ground under them.

What is stood in for: leadership (an epoch taken by hand), operators (whoever holds OPERATOR_TOKEN is one) and the outbox's
workers (the tests read the table).
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from fastapi import Depends, Request
from pydantic import SecretStr

from backend.admin.model import Operator, Role
from backend.api.callers import CurrentPlayer, GatewayOnly
from backend.api.idempotency import StoredIdempotencyKeys, idempotent_call
from backend.leadership.transactions import FencedDatabase, FencedTransactions
from backend.outbox.service import RecordingOutbox
from backend.push.model import Signal
from backend.push.ring import Ring
from backend.runtime.ports import Containers
from backend.scheduler.worker import TurnScheduler
from backend.settings import (
    AuthSettings,
    BackendSettings,
    EngineSettings,
    LobbySettings,
    PostgresSettings,
    RuntimeSettings,
    SchedulerSettings,
)
from backend.term import games
from backend.term.foundations import Foundations, Rooms
from backend.users.links import UnsubscribeTokens
from backend.users.service import UserDirectory
from kit.clock import Clock, SystemClock
from kit.faults import Faults
from kit.ids import uuid7
from kit.listener import HttpListener
from kit.postgres import Database, PoolSettings
from kit.redis_pool import RedisSettings
from kit.rest import ApiError, ServiceAuth, new_api
from kit.rest_client import Answer, RestClient
from kit.sealing import SealRing
from kit.tasks import Workers
from kit.telemetry import OtelSettings, Telemetry
from kit.testing import eventually, with_schema

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
GATEWAY_TOKEN = "gateway-token-of-tests"
OPERATOR_TOKEN = "operator-token-of-tests"
OPERATOR = Operator(
    "0190a000-0000-7000-8000-000000000001",
    "root",
    Role.OWNER,
    False,
    False,
    datetime(2030, 1, 1, tzinfo=UTC),
    1,
)


def settings_for(dsn: str, folder: Path, **groups: Any) -> BackendSettings:
    """Return settings as an environment would give them; `groups` replaces whole groups."""
    chosen: dict[str, Any] = {
        "postgres": PostgresSettings(dsn=SecretStr(with_schema(dsn, "backend"))),
        "redis": RedisSettings(master_addr="127.0.0.1:1", password=SecretStr("unused")),
        "service_tokens": (("gateway", SecretStr(GATEWAY_TOKEN)),),
        "seal_keys": SecretStr(KEY),
        "auth": AuthSettings(hash_key=SecretStr(KEY)),
        "runtime": RuntimeSettings(
            adapter="process", state_dir=folder, reconcile_interval=timedelta(seconds=2)
        ),
        "scheduler": SchedulerSettings(
            poll_interval=timedelta(milliseconds=100), turn_retry_wait=timedelta(milliseconds=50)
        ),
        "lobby": LobbySettings(turn_period_min=timedelta(seconds=1)),
        "engine": EngineSettings(bootstrap_version="1.0.0", bootstrap_image="galaxy/game:1.0.0"),
        "otel": OtelSettings(traces_exporter="none", metrics_exporter="none"),
    }
    return BackendSettings(**(chosen | groups))


class RecordingRing(Ring):
    """The ring, and every signal that it was given."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.signals: list[Signal] = []

    def publish(self, signal: Signal) -> None:
        self.signals.append(signal)
        super().publish(signal)


@dataclass
class PlayerClient:
    """One player's calls, as the gateway would forward them."""

    rest: RestClient
    user_id: str
    email: str
    family: str = "/api/v1/user"

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        headers = {
            "X-User-Id": self.user_id,
            "X-Device-Session-Id": "0190a000-0000-7000-8000-0000000000aa",
            **options.pop("headers", {}),
        }
        if "key" in options:
            headers["Idempotency-Key"] = options.pop("key")
        if "raw" in options:
            options["body"] = options.pop("raw")
        return await self.rest.call(method, f"{self.family}{path}", json=body, headers=headers, **options)

    async def ok(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        answer = await self.call(method, path, body, **options)
        assert answer.ok, (method, path, answer.status, answer.body[:500])
        return answer.json()

    async def refused(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, str]:
        answer = await self.call(method, path, body, **options)
        assert not answer.ok, (method, path, answer.body[:500])
        return answer.status, answer.error_code


@dataclass
class OperatorClient:
    """An operator's calls."""

    rest: RestClient

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        return await self.rest.call(method, f"/api/v1/admin{path}", json=body, **options)

    async def ok(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        answer = await self.call(method, path, body, **options)
        assert answer.ok, (method, path, answer.status, answer.body[:500])
        return answer.json()


@dataclass
class Bench:
    """One running set of rooms."""

    dsn: str
    base: Foundations
    rooms: Rooms
    users: UserDirectory
    ring: RecordingRing
    workers: Workers
    rest: RestClient
    operator: OperatorClient
    audited: list[tuple[str, str]] = field(default_factory=list)

    async def player(self, name: str) -> PlayerClient:
        """Register somebody, or find them again."""
        email = f"{name}@example.com"
        async with self.base.transactions.write() as connection:
            account, _ = await self.users.register(connection, email, "en", "UTC", None, datetime.now(UTC))
        self.users.committed(account)
        return PlayerClient(self.rest, account.user_id, email)

    async def rows(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Read the database."""
        async with self.base.database.connection() as connection:
            return await connection.fetch(query, *arguments)

    async def execute(self, query: str, *arguments: Any) -> None:
        """Change the database behind everybody's back."""
        async with self.base.database.connection() as connection:
            await connection.execute(query, *arguments)

    async def intents(self, notification_type: str) -> list[Mapping[str, Any]]:
        """Return the payloads of one type's intents, in the order of their making."""
        rows = await self.rows(
            "SELECT fields FROM outbox WHERE kind = $1 ORDER BY created_at, id", notification_type
        )
        found: list[Mapping[str, Any]] = []
        for row in rows:
            fields = row["fields"] if isinstance(row["fields"], dict) else json.loads(row["fields"])
            found.append(
                {
                    **json.loads(fields["payload_json"]),
                    "recipients": json.loads(fields["recipient_user_ids"]),
                    "audience": fields["audience_kind"],
                }
            )
        return found

    async def until(self, player: PlayerClient, game_id: str, timeout: float = 30.0, **wanted: Any) -> Any:
        """Wait until a game looks as wanted to a player."""
        seen: dict[str, Any] = {}

        async def reached() -> bool:
            seen.update(await player.ok("GET", f"/games/{game_id}"))
            return all(seen[name] == value for name, value in wanted.items())

        try:
            await eventually(reached, timeout)
        except TimeoutError:
            raise AssertionError(f"wanted {wanted}, is {seen}") from None
        return seen


class NoObserver:
    """Counts no requests."""

    def saw(self, *_: Any) -> None:
        pass


@asynccontextmanager
async def open_bench(
    dsn: str,
    folder: Path,
    *,
    settings: BackendSettings | None = None,
    containers: Containers | None = None,
    faults: Faults | None = None,
    clock: Clock | None = None,
    workers: bool = True,
) -> AsyncIterator[Bench]:
    """Build the rooms on a migrated database, serve them and run their workers."""
    chosen = settings or settings_for(dsn, folder)
    now = clock or SystemClock()
    telemetry = Telemetry("backend-test", chosen.otel)
    audited: list[tuple[str, str]] = []
    async with AsyncExitStack() as stack:
        stack.callback(telemetry.close)
        database = await stack.enter_async_context(
            Database.open(
                chosen.postgres.dsn.get_secret_value(), "bench", PoolSettings(min_size=1, max_size=10)
            )
        )
        async with database.transaction() as connection:
            epoch = await connection.fetchval(
                "UPDATE leader SET epoch = epoch + 1, holder = 'bench' RETURNING epoch"
            )
        transactions = FencedTransactions(database, epoch, lambda: None)
        ring = RecordingRing(1000, now, uuid7)
        users = UserDirectory(transactions, ring, now, uuid7, UnsubscribeTokens(b"k" * 32))
        await users.warm()
        auth = ServiceAuth(chosen.service_tokens)
        player = CurrentPlayer(GatewayOnly(auth), users, NoObserver())

        def require_operator(role: Role) -> Any:
            async def operator(request: Request) -> Operator:
                if request.headers.get("authorization") != f"Bearer {OPERATOR_TOKEN}":
                    raise ApiError(401, "unauthenticated", "operators only")
                return OPERATOR

            return operator

        class Audit:
            async def record(
                self, connection: Any, operator: Operator, action: str, target: str, details: Any = None
            ) -> None:
                audited.append((action, target))

        base = Foundations(
            clock=now,
            new_id=uuid7,
            telemetry=telemetry,
            database=FencedDatabase(database, transactions),
            transactions=transactions,
            outbox=RecordingOutbox(now, uuid7, SealRing.from_text(KEY), ""),
            push_ring=ring,
            users=users,
            service_auth=auth,
            current_player=player,
            idempotent_call=idempotent_call,
            idempotency_keys=StoredIdempotencyKeys(transactions, now),
            require_operator=require_operator,
            audit=Audit(),
            faults=faults or Faults(),
        )
        rooms = await games.build(stack, chosen, base, containers=containers)
        app = new_api("bench")
        for router in rooms.routers.user:
            app.include_router(router, prefix="/api/v1/user", dependencies=[Depends(player)])
        for router in rooms.routers.admin:
            app.include_router(router, prefix="/api/v1/admin")
        listener = await stack.enter_async_context(HttpListener("bench", app, "127.0.0.1:0").running())
        url = f"http://{listener.address}"
        rest = await stack.enter_async_context(
            RestClient.open(url, SecretStr(GATEWAY_TOKEN), timedelta(seconds=60))
        )
        operator_rest = await stack.enter_async_context(
            RestClient.open(url, SecretStr(OPERATOR_TOKEN), timedelta(seconds=60))
        )
        running = Workers(rooms.workers if workers else ())
        await stack.enter_async_context(running.running())
        await running.all_started()
        yield Bench(dsn, base, rooms, users, ring, running, rest, OperatorClient(operator_rest), audited)


NEW_GAME: Mapping[str, Any] = {
    "name": "Sol",
    "race_name": "Terrans",
    "min_players": 2,
    "max_players": 2,
    "schedule": {"kind": "rolling", "period_seconds": 3600},
    "engine_options": {"size": 100, "race_spacing": 20, "drop_idle": False},
}


async def started_game(bench: Bench, ann: PlayerClient, bob: PlayerClient, **settings: Any) -> str:
    """Create a game of two, seat the second, start it and wait until it runs."""
    game = await ann.ok("POST", "/games", {**NEW_GAME, **settings})
    game_id: str = game["game_id"]
    await ann.ok("POST", f"/games/{game_id}/open")
    application = await bob.ok("POST", f"/games/{game_id}/applications", {"race_name": "Vulcans"})
    await ann.ok("POST", f"/games/{game_id}/applications/{application['application_id']}/approve")
    await ann.ok("POST", f"/games/{game_id}/start")
    await bench.until(ann, game_id, state="running")
    return game_id


def scheduler_of(bench: Bench) -> TurnScheduler:
    """Return the scheduler among the workers."""
    (scheduler,) = [worker for worker in bench.rooms.workers if isinstance(worker, TurnScheduler)]
    return scheduler
