"""The outbox on a database and a Redis that a test chooses."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from backend.outbox.model import Intent, LaneName, MailCommand
from backend.outbox.service import INTENTS_STREAM, MAIL_STREAM, RecordingOutbox
from backend.outbox.transport import RedisTransport
from backend.outbox.worker import lane_worker
from backend.telemetry import OutboxMetrics
from kit.ids import uuid7
from kit.outbox import OutboxWorker
from kit.postgres import Database
from kit.redis_pool import RedisSettings, redis_client
from kit.sealing import SealRing
from kit.telemetry import OtelSettings, Telemetry
from kit.testing import ManualClock, fresh_redis

SEALS = SealRing([bytes(32)])
INTERVAL = timedelta(milliseconds=100)
STREAMS = {LaneName.INTENT: INTENTS_STREAM, LaneName.MAIL: MAIL_STREAM}


class Bench:
    """The outbox on a database and a Redis of its own."""

    def __init__(self, database: Database, redis_settings: RedisSettings, clock: ManualClock) -> None:
        self.database = database
        self.redis_settings = redis_settings
        self.redis = redis_client(redis_settings)
        self.outbox = RecordingOutbox(clock, uuid7, SEALS, "gateway:session-events")
        telemetry = Telemetry("backend", OtelSettings(traces_exporter="none", metrics_exporter="none"))
        self._metrics = OutboxMetrics(telemetry)
        self._telemetry = telemetry

    def worker(
        self,
        name: LaneName = LaneName.INTENT,
        redis: "Redis | None" = None,
        max_attempts: int = 8,
        lease: timedelta = timedelta(minutes=1),
    ) -> OutboxWorker:
        transport = RedisTransport(
            self.database,
            redis or self.redis,
            self.redis_settings.key_prefix,
            frozenset({"gateway:session-events"}),
        )
        metrics = self._metrics.of_lane(name.value)
        return lane_worker(name, self.database, transport, INTERVAL, max_attempts, metrics, lease)

    async def add(self, key: str, kind: str = "game.turn.ready", payload: Any = None) -> bool:
        async with self.database.transaction() as connection:
            return await self.outbox.add_intent(connection, Intent(kind, key, payload or {}, ["u"]))

    async def add_mail(self, delivery_id: str, **changes: Any) -> bool:
        given = {"idempotency_key": delivery_id, "template_id": "auth.sign_in_code", "to": "a@example.org"}
        async with self.database.transaction() as connection:
            return await self.outbox.add_mail(connection, MailCommand(delivery_id, **{**given, **changes}))

    async def add_to_both(self, count: int) -> set[str]:
        """Add entries to each lane in one transaction; return their keys, the same in both."""
        keys = [uuid7() for _ in range(count)]
        async with self.database.transaction() as connection:
            for key in keys:
                await self.outbox.add_intent(connection, Intent("game.turn.ready", key, {}, ["u"]))
                mail = MailCommand(key, key, template_id="game.started", to="a@example.org")
                await self.outbox.add_mail(connection, mail)
        return set(keys)

    @asynccontextmanager
    async def redis_at(self, url: str, timeout: timedelta) -> AsyncIterator["Redis"]:
        """Give another client of the same keys: under another address, with another patience."""
        changes = {"operation_timeout": timeout, "key_prefix": self.redis_settings.key_prefix}
        client = redis_client(fresh_redis(url).model_copy(update=changes))
        try:
            yield client
        finally:
            await client.aclose()

    async def stream(self, name: str = INTENTS_STREAM) -> list[dict[str, str]]:
        rows: Any = await self.redis.xrange(self.redis_settings.key(name))
        return [{key.decode(): value.decode() for key, value in fields.items()} for _, fields in rows]

    async def sent(self, name: LaneName = LaneName.INTENT) -> Counter[str]:
        """Return how many copies of each entry a lane's stream holds, by idempotency key."""
        entries = await self.stream(STREAMS[name])
        return Counter(fields["idempotency_key"] for fields in entries)

    async def history(self, name: LaneName = LaneName.INTENT) -> dict[str, list[tuple[str, str | None]]]:
        """Return the attempts of each entry of a lane, by idempotency key: outcome and classification."""
        async with self.database.connection() as connection:
            rows = await connection.fetch(
                "SELECT o.idempotency_key, a.outcome, a.classification FROM outbox o"
                " LEFT JOIN outbox_attempts a ON a.entry_id = o.id WHERE o.lane = $1 ORDER BY a.attempt_no",
                name.value,
            )
        found: dict[str, list[tuple[str, str | None]]] = {row["idempotency_key"]: [] for row in rows}
        for row in rows:
            if row["outcome"] is not None:
                found[row["idempotency_key"]].append((row["outcome"], row["classification"]))
        return found

    async def make_due(self) -> None:
        """Let every wait of the ladder pass."""
        async with self.database.transaction() as connection:
            await connection.execute("UPDATE outbox SET next_at = now() WHERE finished_at IS NULL")

    async def row(self, column: str, **where: str) -> Any:
        name, value = next(iter(where.items()))
        async with self.database.connection() as connection:
            statement = f"SELECT {column} FROM outbox WHERE {name} = $1"  # noqa: S608 - a test's own words
            return await connection.fetchval(statement, value)

    async def close(self) -> None:
        await self.redis.aclose()
        self._telemetry.close()


@asynccontextmanager
async def opened(dsn: str, valkey_url: str) -> AsyncIterator[Bench]:
    """Open a bench on a migrated database."""
    async with Database.open(dsn, "outbox-test") as database:
        made = Bench(database, fresh_redis(valkey_url), ManualClock())
        yield made
        await made.close()


@pytest.fixture
async def bench(backend_dsn: str, valkey_url: str) -> AsyncIterator[Bench]:
    """Give a bench on the session's stores."""
    async with opened(backend_dsn, valkey_url) as made:
        yield made
