"""One run: kill the mail service at random moments under load and account for every single mail.

Each kill happens while the relay has a mail in hand. Afterwards: no mail is lost; a mail may have come twice only if, at
some kill, the relay had taken it over and its delivery was not marked yet; there are never more of those at one kill than
connections; and each attempt that a kill interrupted stays in the history as unknown.
"""

import asyncio
import contextlib
import random
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from redis.asyncio import Redis

from kit.clock import rfc3339
from kit.ids import uuid7
from kit.postgres import Database, in_schema
from kit.redis_pool import RedisSettings, open_redis
from mail.chaos.process import MailProcess, quick_environment
from mail.chaos.sink import Sink

CONNECTIONS = 8
_FEED_PER_SECOND = 60


@dataclass
class Account:
    """What a run came to."""

    kills: int = 0
    mails: int = 0
    lost: set[str] = field(default_factory=set)
    repeated: set[str] = field(default_factory=set)
    unexplained: set[str] = field(default_factory=set)
    """Repeated without having been in flight at a kill: none may be."""
    in_flight_most: int = 0
    """Most mails at one kill that the relay had and the table did not know of."""
    interrupted: int = 0
    """Claims that kills left behind."""
    unknown_attempts: int = 0
    """Attempts that the history shows as unknown afterwards."""
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        """Tell whether every promise held."""
        return (
            not self.lost
            and not self.unexplained
            and self.in_flight_most <= CONNECTIONS
            and self.unknown_attempts == self.interrupted
        )


async def run_chaos(dsn: str, redis_settings: RedisSettings, kills: int, seed: int, folder: Path) -> Account:
    """Feed mails, kill so often, let all come to rest, and account."""
    chance = random.Random(seed)
    account = Account(kills=kills)
    began = time.monotonic()
    async with (
        Sink(delay_seconds=0.03, keep_content=False).serving() as sink,
        open_redis(redis_settings) as redis,
    ):
        # A mail that eight kills in a row have caught would end as a visible dead letter; here each must arrive.
        environment = quick_environment(dsn, redis_settings, sink.port) | {"MAIL_MAX_ATTEMPTS": "1000"}
        process = MailProcess(environment, folder / "mail.log")
        await process.start()
        fed: set[str] = set()
        async with Database.open(in_schema(dsn, "mail"), "chaos") as database:
            feeder = asyncio.ensure_future(_feed(redis, redis_settings.key("mail:delivery_commands"), fed))
            explained: set[str] = set()
            try:
                for number in range(kills):
                    await asyncio.sleep(chance.uniform(0.0, 0.4))
                    await sink.wait_until(lambda: sink.busy > 0)
                    await process.kill()
                    await sink.wait_until(lambda: sink.open_sessions == 0)
                    await _sessions_gone(database)
                    claimed = await _ids(database, "SELECT id FROM deliveries WHERE state = 'sending'")
                    had = {taken.message_id.partition("@")[0] for taken in sink.taken}
                    in_flight = claimed & had - explained
                    explained |= in_flight
                    account.in_flight_most = max(account.in_flight_most, len(in_flight))
                    account.interrupted += await _still_started(database, claimed)
                    _say(f"kill {number + 1}/{kills}: {len(claimed)} claimed, {len(in_flight)} in flight")
                    await process.start()
                feeder.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await feeder
                await _at_rest(database, len(fed))
            finally:
                feeder.cancel()
                await process.kill()
            sent = await _ids(database, "SELECT id FROM deliveries WHERE state = 'sent'")
            unknown = "SELECT entry_id AS id FROM deliveries_attempts WHERE outcome = 'unknown'"
            account.unknown_attempts = await _count(database, unknown)
    copies = {message_id.partition("@")[0]: n for message_id, n in sink.copies().items()}
    account.mails = len(fed)
    account.lost = (fed - set(copies)) | (fed - sent)
    account.repeated = {delivery_id for delivery_id, n in copies.items() if n > 1}
    account.unexplained = account.repeated - explained
    account.seconds = time.monotonic() - began
    return account


async def _feed(redis: "Redis", stream: str, fed: set[str]) -> None:
    variables = orjson.dumps({"game_id": "g", "game_name": "Sol"})
    while True:
        delivery_id = uuid7()
        fields: dict[Any, Any] = {
            "kind": "send",
            "delivery_id": delivery_id,
            "source": "chaos",
            "template_id": "game.started",
            "locale": "en",
            "to": "player@example.test",
            "variables_json": variables,
            "idempotency_key": delivery_id,
            "occurred_at": rfc3339(datetime.now(UTC)),
        }
        fed.add(delivery_id)
        await redis.xadd(stream, fields)
        await asyncio.sleep(1 / _FEED_PER_SECOND)


async def _sessions_gone(database: Database) -> None:
    """Wait until Postgres has done with what the dead process had still asked of it."""
    query = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'mail'"
    async with asyncio.timeout(60):
        while await _count(database, query):
            await asyncio.sleep(0.01)


async def _ids(database: Database, query: str) -> set[str]:
    async with database.connection() as connection:
        return {row["id"] for row in await connection.fetch(query)}


async def _count(database: Database, query: str) -> int:
    async with database.connection() as connection:
        return len(await connection.fetch(query))


async def _still_started(database: Database, claimed: set[str]) -> int:
    """Count claims that this kill left: older ones whose lease has not run out yet are counted already."""
    query = (
        "UPDATE deliveries_attempts SET error = 'counted' WHERE outcome = 'started' AND error IS NULL"
        " AND entry_id = ANY ($1::uuid[]) RETURNING 1"
    )
    async with database.connection() as connection:
        return len(await connection.fetch(query, list(claimed)))


async def _at_rest(database: Database, mails: int, timeout: float = 120.0) -> None:
    async with asyncio.timeout(timeout):
        while len(await _ids(database, "SELECT id FROM deliveries WHERE finished_at IS NOT NULL")) < mails:
            await asyncio.sleep(0.2)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
