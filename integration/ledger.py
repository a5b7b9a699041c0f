"""Behind the scenes: what the stores of a stack hold, for comparing exact sets after a fault."""

from typing import Any
from urllib.parse import urlsplit

import asyncpg
from redis.asyncio import Redis

from deploy.embedded.stack import Stack

_NOT_READABLE = {"alembic_version"}


async def rows(stack: Stack, query: str, *arguments: Any) -> list[asyncpg.Record]:
    """Run a reading statement over all schemas of the stack."""
    connection = await asyncpg.connect(stack.admin_dsn)
    try:
        return list(await connection.fetch(query, *arguments))
    finally:
        await connection.close()


async def column(stack: Stack, query: str, *arguments: Any) -> list[Any]:
    """Return the first column of a reading statement."""
    return [row[0] for row in await rows(stack, query, *arguments)]


async def every_cell(stack: Stack) -> list[str]:
    """Return every row of every table of our schemas, as text."""
    tables = await rows(
        stack,
        "SELECT table_schema, table_name FROM information_schema.tables"
        " WHERE table_schema IN ('backend', 'notification', 'mail') AND table_type = 'BASE TABLE'",
    )
    cells: list[str] = []
    for schema, table in tables:
        if table not in _NOT_READABLE:
            # The names come from the catalogue of our own database.
            cells += await column(stack, f'SELECT t::text FROM "{schema}"."{table}" t')  # noqa: S608
    return cells


async def every_stream_value(stack: Stack) -> list[str]:
    """Return every field value of every stream of the stack, as text."""
    redis = redis_of(stack)
    try:
        values: list[str] = []
        async for key in redis.scan_iter(match=f"{stack.redis_key_prefix}*", _type="stream"):
            entries: Any = await redis.xrange(key)
            for _, fields in entries:
                values += [value.decode(errors="replace") for value in fields.values()]
        return values
    finally:
        await redis.aclose()


async def stream_entries(stack: Stack, stream: str) -> list[dict[str, str]]:
    """Return the entries of one stream, oldest first."""
    redis = redis_of(stack)
    try:
        entries: Any = await redis.xrange(stack.redis_key_prefix + stream)
        return [{k.decode(): v.decode(errors="replace") for k, v in fields.items()} for _, fields in entries]
    finally:
        await redis.aclose()


def redis_of(stack: Stack) -> Redis:
    """Connect to the stack's Redis; the caller closes it."""
    place = urlsplit(stack.redis_url)
    return Redis(
        host=place.hostname or "127.0.0.1",
        port=place.port or 6379,
        password=place.password,
        db=int(place.path.strip("/") or 0),
        protocol=2,
    )
