"""A stream, its offset table, and a handler that keeps what it is given."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from kit.postgres import Connection, Database
from kit.redis_pool import RedisSettings, open_redis
from kit.streams import Entry, Malformed, ReaderSettings, StreamReader
from kit.testing import fresh_database, fresh_redis

TABLES = """
CREATE TABLE stream_offsets (
    stream text PRIMARY KEY, epoch int NOT NULL, last_id text NOT NULL, accounted bigint NOT NULL,
    lost bigint NOT NULL, seen bigint NOT NULL, updated_at timestamptz NOT NULL
);
CREATE TABLE kept (n bigint PRIMARY KEY, times int NOT NULL DEFAULT 1);
CREATE TABLE malformed (stream_id text PRIMARY KEY, reason text NOT NULL, raw bytea NOT NULL);
"""

QUICK = ReaderSettings(block=timedelta(milliseconds=50), batch=10)


class DependencyAway(Exception):
    """What the handler needs is not there."""


@dataclass
class Keeper:
    """Keeps the number in each entry; several copies of one are counted, `bad` ones are malformed."""

    away: bool = False
    committed_batches: list[int] = field(default_factory=list)
    before_commit: Callable[[], None] | None = None

    async def prepare(self, entries: Sequence[Entry]) -> list[int]:
        if self.away:
            raise DependencyAway
        numbers = []
        for entry in entries:
            text = entry.fields.get(b"n", b"")
            if text == b"bad":
                raise Malformed("n: no number")
            numbers.append(int(text) if text.isdigit() else -1)
        return numbers

    async def handle(self, connection: Connection, _: Sequence[Entry], prepared: Any) -> int:
        for number in prepared:
            # An out-of-range number is the database's to refuse: a poison that only the insert finds.
            await connection.execute(
                "INSERT INTO kept (n) SELECT CASE WHEN $1 = 666 THEN 1 / ($1 - 666) ELSE $1 END"
                " ON CONFLICT (n) DO UPDATE SET times = kept.times + 1",
                number,
            )
        if self.before_commit is not None:
            self.before_commit()
        return len(prepared)

    async def record_malformed(self, connection: Connection, entry: Entry, reason: str) -> None:
        await connection.execute(
            "INSERT INTO malformed VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", entry.id, reason, entry.raw()
        )

    def committed(self, result: Any) -> None:
        self.committed_batches.append(result)


@dataclass
class Bench:
    """One stream as a test sees it."""

    redis: "Redis"
    database: Database
    settings: RedisSettings
    stream: str
    keeper: Keeper = field(default_factory=Keeper)
    lost: list[int] = field(default_factory=list)

    def reader(self, keeper: Keeper | None = None, settings: ReaderSettings = QUICK) -> StreamReader:
        return StreamReader(
            "reader",
            self.stream,
            self.redis,
            self.database,
            keeper or self.keeper,
            settings,
            holds_on=(DependencyAway,),
            mirror_key=f"{self.stream}:mirror",
            on_lost=self.lost.append,
        )

    async def add(self, *numbers: int | str, entry_id: str = "*") -> None:
        for number in numbers:
            await self.redis.xadd(self.stream, {"n": str(number)}, id=entry_id)

    async def kept(self) -> dict[int, int]:
        async with self.database.connection() as connection:
            return {r["n"]: r["times"] for r in await connection.fetch("SELECT * FROM kept")}

    async def offset(self) -> dict[str, Any]:
        async with self.database.connection() as connection:
            row = await connection.fetchrow("SELECT * FROM stream_offsets")
        return dict(row) if row else {}

    async def malformed(self) -> list[dict[str, Any]]:
        async with self.database.connection() as connection:
            return [dict(r) for r in await connection.fetch("SELECT * FROM malformed ORDER BY stream_id")]


@pytest.fixture
async def bench(postgres_admin_dsn: str, valkey_url: str) -> AsyncIterator[Bench]:
    settings = fresh_redis(valkey_url)
    async with (
        fresh_database(postgres_admin_dsn) as dsn,
        Database.open(dsn, "streams-test") as database,
        open_redis(settings) as redis,
    ):
        async with database.transaction() as connection:
            await connection.execute(TABLES)
        yield Bench(redis, database, settings, settings.key("numbers"))
