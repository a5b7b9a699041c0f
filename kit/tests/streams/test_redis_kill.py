"""Redis dies by SIGKILL in the middle of writes: with its append-only file nothing that it acknowledged is gone."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from kit.redis_pool import AWAY, open_redis
from kit.testing import eventually, fresh_redis
from kit.tests.streams.conftest import Bench

pytestmark = [pytest.mark.stores, pytest.mark.timeout(180)]
WRITERS = 6
ROUNDS = 5
ENOUGH = 500
"""Acknowledged entries after which the kill comes."""


@pytest.fixture
async def doomed(bench: Bench, breakable_valkey: Any) -> AsyncIterator[Bench]:
    """Give a bench whose Redis a test may kill."""
    settings = fresh_redis(breakable_valkey.url)
    async with open_redis(settings) as redis:
        yield replace(bench, redis=redis, settings=settings, stream=settings.key("numbers"))


async def test_every_acknowledged_entry_survives_kills_and_is_read_once(doomed: Bench, breakable_valkey: Any):
    numbers = count(1000)  # smaller ones mean something to the handler
    acknowledged: dict[str, int] = {}
    begun: set[int] = set()
    reader = asyncio.ensure_future(doomed.reader().run(lambda: None))

    async def write() -> None:
        while True:
            number = next(numbers)
            begun.add(number)
            try:
                entry_id: Any = await doomed.redis.xadd(doomed.stream, {"n": str(number)})
            except AWAY:
                return
            acknowledged[entry_id.decode()] = number

    for _ in range(ROUNDS):
        wanted = len(acknowledged) + ENOUGH
        writers = [asyncio.ensure_future(write()) for _ in range(WRITERS)]
        while len(acknowledged) < wanted:
            await asyncio.wait(writers, timeout=0.01, return_when=asyncio.FIRST_COMPLETED)
            assert not any(writer.done() for writer in writers)
        await breakable_valkey.crash()
        await asyncio.gather(*writers)  # each ends with a write that nobody answered
        await breakable_valkey.come_back()
        rows: Any = await doomed.redis.xrange(doomed.stream)
        kept = {entry_id.decode(): int(fields[b"n"]) for entry_id, fields in rows}
        assert {i: n for i, n in acknowledged.items() if kept.get(i) != n} == {}
        assert set(kept.values()) <= begun

    async def all_read() -> bool:
        return set(await doomed.kept()) == set(kept.values())

    await eventually(all_read, timeout=60)
    assert Counter((await doomed.kept()).values()) == Counter({1: len(kept)})
    assert (doomed.lost, (await doomed.offset())["epoch"]) == ([], 1)
    reader.cancel()
    await asyncio.wait([reader])


async def test_a_redis_without_an_append_only_file_is_told_of(
    doomed: Bench, breakable_valkey: Any, capsys: pytest.CaptureFixture[str]
):
    async with open_redis(doomed.settings):
        assert "redis_not_durable" not in capsys.readouterr().out
    await doomed.redis.config_set("appendonly", "no")
    async with open_redis(doomed.settings):
        assert "redis_not_durable" in capsys.readouterr().out
    await doomed.redis.execute_command("ACL", "SETUSER", "default", "-info")  # type: ignore[no-untyped-call]
    async with open_redis(doomed.settings):
        assert "redis_durability_unknown" in capsys.readouterr().out


async def test_why_it_matters_without_that_file_a_kill_takes_what_was_acknowledged(
    doomed: Bench, breakable_valkey: Any
):
    await doomed.add(*range(10))
    await doomed.redis.config_set("appendonly", "no")
    await doomed.add(*range(10, 20))
    await breakable_valkey.crash()
    await breakable_valkey.come_back()
    rows: Any = await doomed.redis.xrange(doomed.stream)
    assert [int(fields[b"n"]) for _, fields in rows] == list(range(10))
