"""What tests of every service need: a hand-wound clock, waiting for a condition, databases and Redis of their own.

The session's stores are started on first use by the root conftest's fixtures; here stands what is made inside them.
"""

import asyncio
import contextlib
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
    condition: Callable[[], Awaitable[object]], timeout: float = 30.0, interval: float = 0.02
) -> None:
    """Wait until `condition` gives something true; for effects in other processes that send us no signal.

    It is asked every `interval` seconds. `timeout` bounds a failure alone: on a busy machine ten seconds are not long.

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


class AnswerHolder:
    """A wire to a server that can keep answers back: what was asked has been done there, and nobody here knows.

    On each connection, from the first request that contains the chosen word on, answers wait until `let_go`.
    """

    def __init__(self, url: str) -> None:
        """`url` is the server's, as `redis://…@host:port/…`."""
        self._url = urlsplit(url)
        self._word: bytes | None = None
        self._let_go = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []
        self.url = ""
        """Where to connect instead."""

    def hold_answers_to(self, word: bytes) -> None:
        """Keep answers back from the next request on that contains `word`."""
        self._word = word
        self._let_go.clear()

    def let_go(self) -> None:
        """Let answers through again, those kept back too where anybody still listens."""
        self._word = None
        self._let_go.set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["AnswerHolder"]:
        """Listen on a free port for the length of the context."""
        server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        password = f":{self._url.password}@" if self._url.password else ""
        self.url = urlunsplit(self._url._replace(netloc=f"{password}127.0.0.1:{port}"))
        try:
            yield self
        finally:
            server.close()
            self.let_go()
            for writer in self._writers:
                writer.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, to_there = await asyncio.open_connection(self._url.hostname, self._url.port)
        except OSError:
            writer.close()
            return
        self._writers += (writer, to_there)
        held = asyncio.Event()
        answers = asyncio.ensure_future(self._answers(there, writer, held))
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65536):
                if self._word is not None and self._word in chunk:
                    held.set()
                to_there.write(chunk)
                await to_there.drain()
        to_there.close()
        await answers

    async def _answers(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, held: asyncio.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65536):
                if held.is_set():
                    await self._let_go.wait()
                    held.clear()
                writer.write(chunk)
                await writer.drain()
        writer.close()
