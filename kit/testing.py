"""What tests of every service need: a hand-wound clock, waiting for a condition, databases and Redis of their own.

The session's stores are started on first use by the root conftest's fixtures; here stands what is made inside them.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from pydantic import SecretStr

from kit.redis_pool import RedisSettings


class ManualClock:
    """A clock that stands until it is wound on."""

    def __init__(self, now: datetime | None = None) -> None:
        self._now = now or datetime(2030, 1, 1, tzinfo=UTC)
        self._monotonic = 1000.0

    def now(self) -> datetime:
        """Return the instant it shows."""
        return self._now

    def monotonic(self) -> float:
        """Return seconds that grow only with `advance`."""
        return self._monotonic

    def advance(self, by: timedelta) -> None:
        """Wind it on."""
        self._now += by
        self._monotonic += by.total_seconds()


async def eventually(
    condition: Callable[[], Awaitable[object]], timeout: float = 10.0, interval: float = 0.02
) -> None:
    """Wait until `condition` gives something true; for effects in other processes that send us no signal.

    It is asked every `interval` seconds.

    Raises TimeoutError, after which the last answer is of no interest.
    """
    async with asyncio.timeout(timeout):
        while not await condition():
            await asyncio.sleep(interval)


@asynccontextmanager
async def fresh_database(admin_dsn: str, template: str | None = None) -> AsyncIterator[str]:
    """Create a database, give its DSN, drop it afterwards. `template` copies a migrated one in 20 ms."""
    name = f"test_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(admin_dsn)
    try:
        source = f' TEMPLATE "{template}"' if template else ""
        await admin.execute(f'CREATE DATABASE "{name}"{source}')
        yield with_database(admin_dsn, name)
        await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    finally:
        await admin.close()


def with_database(dsn: str, database: str) -> str:
    """Return the DSN of another database on the same server."""
    parts = urlsplit(dsn)
    return urlunsplit((parts.scheme, parts.netloc, f"/{database}", parts.query, ""))


def with_schema(dsn: str, schema: str) -> str:
    """Return the DSN with `search_path` set, as the services take it."""
    parts = urlsplit(dsn)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, f"search_path={schema}", ""))


def fresh_redis(valkey_url: str) -> RedisSettings:
    """Return settings for the session's Redis under a key prefix nobody else uses."""
    parts = urlsplit(valkey_url)
    return RedisSettings(
        master_addr=f"{parts.hostname}:{parts.port}",
        password=SecretStr(parts.password or ""),
        db=int(parts.path.strip("/") or 0),
        key_prefix=f"test:{secrets.token_hex(6)}:",
    )
