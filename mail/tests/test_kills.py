"""The mail service as a process that is killed, stopped, frozen: what a relay's ledger shows afterwards."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from kit.postgres import Database, in_schema
from kit.redis_pool import open_redis
from kit.testing import fresh_database, fresh_redis
from mail.app import SCHEMA
from mail.chaos.process import MailProcess, quick_environment
from mail.chaos.run import run_chaos
from mail.chaos.sink import Sink
from mail.tests.conftest import Post, mail_settings

pytestmark = [pytest.mark.stores, pytest.mark.timeout(240)]


class Stage:
    """Stores, a relay, and processes to be started on them."""

    def __init__(self, dsn: str, post: Post, folder: Path, stack: AsyncExitStack) -> None:
        self._dsn = dsn
        self.post = post
        self._folder = folder
        self._stack = stack

    async def start(self, **more: str) -> MailProcess:
        """Start a process; it is killed at the end of the test."""
        environment = quick_environment(self._dsn, self.post.settings.redis, self.post.sink.port) | more
        process = MailProcess(environment, self._folder / "mail.log")
        self._stack.push_async_callback(process.kill)
        await process.start()
        return process


@pytest.fixture
async def stage(postgres_admin_dsn: str, valkey_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        sink = await stack.enter_async_context(Sink().serving())
        dsn = await stack.enter_async_context(fresh_database(postgres_admin_dsn))
        redis_settings = fresh_redis(valkey_url)
        redis = await stack.enter_async_context(open_redis(redis_settings))
        database = await stack.enter_async_context(Database.open(in_schema(dsn, SCHEMA), "kill-test"))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        settings = mail_settings(dsn, redis_settings, sink.port)
        yield Stage(dsn, Post(settings, sink, redis, database, http), tmp_path, stack)


async def test_a_kill_between_250_and_the_mark_repeats_that_mail_alone(stage: Stage, tmp_path: Path):
    marker = tmp_path / "reached"
    process = await stage.start(MAIL_FAULT_POINT=f"mail.after_250:{marker}:3", MAIL_SMTP_CONNECTIONS="1")
    ids = [await stage.post.send() for _ in range(6)]
    async with asyncio.timeout(20):
        while not marker.exists():
            await asyncio.sleep(0.02)
    in_hand = {taken.message_id.partition("@")[0] for taken in stage.post.sink.taken}
    unmarked = {
        delivery_id
        for delivery_id in in_hand
        if (await stage.post.fetch("SELECT state FROM deliveries WHERE id = $1", delivery_id))[0]["state"]
        == "sending"
    }
    assert len(unmarked) == 1, "the kill must fall while one mail is in flight"
    await process.kill()
    await stage.start()
    for delivery_id in ids:
        await stage.post.reaches(delivery_id, "sent", timeout=30)
    copies = {m.partition("@")[0]: n for m, n in stage.post.sink.copies().items()}
    assert copies == {delivery_id: 2 if delivery_id in unmarked else 1 for delivery_id in ids}
    (repeated,) = unmarked
    assert await stage.post.history(repeated) == [
        (1, "unknown", "lease_expired"),
        (2, "delivered", None),
    ]


async def test_random_kills_lose_nothing_and_repeat_only_what_was_in_flight(
    postgres_admin_dsn: str, valkey_url: str, tmp_path: Path
):
    async with fresh_database(postgres_admin_dsn) as dsn:
        account = await run_chaos(dsn, fresh_redis(valkey_url), kills=5, seed=11, folder=tmp_path)
    assert account.clean, account
    assert account.interrupted > 0, "each kill must leave claims behind"


async def test_sigterm_finishes_what_is_in_flight_and_repeats_nothing(stage: Stage):
    process = await stage.start(MAIL_SMTP_CONNECTIONS="2", MAIL_BATCH="20")
    stage.post.sink.delay_seconds = 0.2
    ids = [await stage.post.send() for _ in range(12)]
    await stage.post.sink.wait_for("DOT", 2)
    process.send(signal.SIGTERM)
    assert await process.ended() == 0
    rows = await stage.post.fetch("SELECT id, state, claim_token FROM deliveries")
    assert {row["state"] for row in rows} == {"sent", "pending"}, "the rest was given back at once"
    assert all(row["claim_token"] is None for row in rows)
    stage.post.sink.delay_seconds = 0
    await stage.start()
    for delivery_id in ids:
        await stage.post.reaches(delivery_id, "sent", timeout=10)
    assert set(stage.post.sink.copies().values()) == {1}
    unknown = await stage.post.fetch("SELECT * FROM deliveries_attempts WHERE outcome <> 'delivered'")
    assert unknown == []


async def test_a_worker_frozen_beyond_its_lease_adds_one_copy_at_most_and_changes_no_row(stage: Stage):
    frozen = await stage.start(MAIL_SMTP_CONNECTIONS="4", MAIL_SMTP_FINAL_TIMEOUT="900ms", MAIL_LEASE="7s")
    stage.post.sink.delay_seconds = 0.5
    ids = [await stage.post.send() for _ in range(8)]
    await stage.post.sink.wait_for("DOT", 2)
    frozen.send(signal.SIGSTOP)
    in_flight = await stage.post.fetch("SELECT id FROM deliveries WHERE state = 'sending'")
    assert in_flight, "the freeze must fall while mails are in flight"
    stage.post.sink.delay_seconds = 0
    await stage.start()
    for delivery_id in ids:
        await stage.post.reaches(delivery_id, "sent", timeout=40)
    before = await stage.post.fetch("SELECT * FROM deliveries ORDER BY id")
    history = await stage.post.fetch("SELECT * FROM deliveries_attempts ORDER BY entry_id, attempt_no")
    frozen.send(signal.SIGCONT)
    frozen.send(signal.SIGTERM)
    await frozen.ended()
    assert await stage.post.fetch("SELECT * FROM deliveries ORDER BY id") == before
    assert (
        await stage.post.fetch("SELECT * FROM deliveries_attempts ORDER BY entry_id, attempt_no") == history
    )
    copies = stage.post.sink.copies()
    assert max(copies.values()) <= 2
    assert {m.partition("@")[0] for m, n in copies.items() if n > 1} <= {row["id"] for row in in_flight}
