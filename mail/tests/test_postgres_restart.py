"""Postgres dies at once (`-m immediate`) and comes back while mail is in each of its steps."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from deploy.embedded.logfile import LogFile
from deploy.embedded.postgres import Postgres
from kit.postgres import Database, PostgresUnavailable, in_schema
from kit.redis_pool import open_redis
from kit.testing import eventually, fresh_redis
from mail.app import SCHEMA, build
from mail.chaos.sink import Sink, Stall
from mail.tests.conftest import Post, mail_settings

pytestmark = [pytest.mark.stores, pytest.mark.timeout(180)]


@pytest.fixture
async def stage(valkey_url: str, tmp_path: Path, sink: Sink) -> AsyncIterator[tuple[Post, Postgres]]:
    postgres = Postgres(
        tmp_path / "postgres", "secret", LogFile(tmp_path / "postgres.log"), settings={"fsync": "off"}
    )
    postgres.initialise()
    postgres.start()
    async with AsyncExitStack() as stack:
        stack.callback(postgres.log.close)
        stack.callback(postgres.stop)
        redis_settings = fresh_redis(valkey_url)
        redis = await stack.enter_async_context(open_redis(redis_settings))
        settings = mail_settings(
            postgres.dsn(), redis_settings, sink.port, smtp_final_timeout="8s", lease="20s"
        )
        await stack.enter_async_context(build(settings))
        database = await stack.enter_async_context(Database.open(in_schema(postgres.dsn(), SCHEMA), "test"))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield Post(settings, sink, redis, database, http), postgres


def crash_and_return(postgres: Postgres) -> None:
    """Stop it as `pg_ctl stop -m immediate` does, and start it again on the same port."""
    assert postgres.child is not None
    postgres.child.kill()
    postgres.child = None
    postgres.start()


async def finished(post: Post, ids: list[str]) -> bool:
    try:
        rows = await post.fetch("SELECT id FROM deliveries WHERE state = 'sent'")
    except PostgresUnavailable:
        return False
    return {row["id"] for row in rows} == set(ids)


async def test_a_restart_while_mails_are_being_sent_loses_and_repeats_none(stage: tuple[Post, Postgres]):
    post, postgres = stage
    post.sink.delay_seconds = 1.0
    ids = [await post.send() for _ in range(12)]
    await post.sink.wait_for("DOT", 2)
    crash_and_return(postgres)
    post.sink.delay_seconds = 0
    await eventually(lambda: finished(post, ids), timeout=60)
    assert sorted(post.sink.copies().values()) == [1] * 12


async def test_a_restart_between_claim_and_send_loses_and_repeats_none(stage: tuple[Post, Postgres]):
    post, postgres = stage
    post.sink.once("CONNECT", *[Stall()] * 4)
    ids = [await post.send() for _ in range(6)]
    await post.sink.wait_for("CONNECT", 2)
    crash_and_return(postgres)
    await eventually(lambda: _due(post), timeout=30)
    await eventually(lambda: finished(post, ids), timeout=60)
    assert sorted(post.sink.copies().values()) == [1] * 6


async def test_a_restart_while_commands_arrive_loses_and_repeats_none(stage: tuple[Post, Postgres]):
    post, postgres = stage
    ids = [await post.send() for _ in range(10)]
    crash_and_return(postgres)
    ids += [await post.send() for _ in range(10)]
    await eventually(lambda: finished(post, ids), timeout=60)
    assert sorted(post.sink.copies().values()) == [1] * 20


async def _due(post: Post) -> bool:
    """Let the ladder's waits pass as soon as the refusals are on record."""
    try:
        await post.execute("UPDATE deliveries SET next_at = now() WHERE state = 'retrying'")
        rows = await post.fetch("SELECT FROM deliveries WHERE state = 'sending'")
    except PostgresUnavailable:
        return False
    return not rows
