"""Tail reading over a real Redis: nothing twice, nothing lost in silence."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from gateway.stream_tail.consumer import TailReader
from gateway.stream_tail.model import Id, Place, StreamState, TailEntry, before, lost_entries
from gateway.stream_tail.storage import TailStorage
from kit.ids import uuid7
from kit.redis_pool import RedisSettings, RedisUnavailable, open_redis, redis_client

pytestmark = pytest.mark.stores


class Heard:
    """Keeps what a reader said."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, Id, bool]] = []
        self.taken: list[bytes] = []
        self.lost_count = 0

    def began(self, epoch: str, after: Id, *, gap: bool) -> None:
        self.begun.append((epoch, after, gap))

    def take(self, entry: TailEntry) -> None:
        self.taken.append(entry.fields[b"n"])

    def lost(self, count: int) -> None:
        self.lost_count += count


@pytest.fixture
async def redis(redis_settings: RedisSettings) -> AsyncIterator[Redis]:
    async with open_redis(redis_settings) as client:
        yield client


@pytest.fixture
def stream(redis_settings: RedisSettings) -> str:
    return redis_settings.key("gateway:client-events")


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def reader(redis: Redis, stream: str, heard: Heard) -> TailReader:
    return TailReader("test", TailStorage(redis, stream), heard, uuid7, block_ms=20)


async def settled(reader: TailReader) -> None:
    """Read until nothing comes."""
    while await reader.run_once():
        pass


async def test_reading_begins_at_the_tail(redis: Redis, stream: str, reader: TailReader, heard: Heard):
    """gateway-runbook-redis-streams:6."""
    await redis.xadd(stream, {"n": "before"})
    await reader.run_once()
    await redis.xadd(stream, {"n": "1"})
    await redis.xadd(stream, {"n": "2"})
    await settled(reader)
    assert heard.taken == [b"1", b"2"]
    assert [gap for _, _, gap in heard.begun] == [False]


async def test_two_gateways_share_the_epoch_and_both_read_all(
    redis: Redis, stream: str, reader: TailReader, heard: Heard
):
    other_heard = Heard()
    other = TailReader("other", TailStorage(redis, stream), other_heard, uuid7, block_ms=20)
    await reader.run_once()
    await other.run_once()
    await redis.xadd(stream, {"n": "1"})
    await settled(reader)
    await settled(other)
    assert heard.taken == other_heard.taken == [b"1"]
    assert heard.begun[0][0] == other_heard.begun[0][0]


@pytest.mark.parametrize("with_epoch", [True, False])
async def test_a_stream_that_began_anew_is_read_from_its_beginning(
    redis: Redis, stream: str, reader: TailReader, heard: Heard, with_epoch: bool
):
    """A flush takes the epoch's name along; deleting the stream alone leaves it."""
    other_heard = Heard()
    other = TailReader("other", TailStorage(redis, stream), other_heard, uuid7, block_ms=20)
    await reader.run_once()
    await other.run_once()
    await redis.xadd(stream, {"n": "1"})
    await settled(reader)
    await settled(other)
    await redis.delete(stream, *([f"{stream}:epoch"] if with_epoch else []))
    await redis.xadd(stream, {"n": "2"})
    await redis.xadd(stream, {"n": "3"})
    for _ in range(3):
        await reader.run_once()
        await other.run_once()
    assert heard.taken == other_heard.taken == [b"1", b"2", b"3"]
    first, second = heard.begun
    assert second == (second[0], (0, 0), True)
    assert first[0] != second[0]
    assert other_heard.begun[-1][0] == second[0]


async def test_a_flushed_stream_whose_clock_is_behind_does_not_stall_the_reader(
    redis: Redis, stream: str, reader: TailReader, heard: Heard
):
    await redis.xadd(stream, {"n": "0"}, id="99999999999999-0")
    await reader.run_once()
    await redis.delete(stream, f"{stream}:epoch")
    await redis.xadd(stream, {"n": "1"})
    for _ in range(2):
        await reader.run_once()
    assert heard.taken == [b"1"]


async def test_entries_trimmed_unread_are_counted_and_told(
    redis: Redis, stream: str, reader: TailReader, heard: Heard
):
    await redis.xadd(stream, {"n": "0"})
    await reader.run_once()
    for number in range(1, 11):
        await redis.xadd(stream, {"n": str(number)})
    await redis.xtrim(stream, maxlen=4, approximate=False)
    await settled(reader)
    assert heard.lost_count == 6
    assert heard.taken == [b"7", b"8", b"9", b"10"]
    assert [gap for _, _, gap in heard.begun] == [False, True]


async def test_a_trim_to_nothing_is_noticed(redis: Redis, stream: str, reader: TailReader, heard: Heard):
    await redis.xadd(stream, {"n": "0"})
    await reader.run_once()
    await redis.xadd(stream, {"n": "1"})
    await redis.xtrim(stream, maxlen=0, approximate=False)
    await reader.run_once()
    assert heard.lost_count == 1
    await redis.xadd(stream, {"n": "2"})
    await settled(reader)
    assert (heard.taken, heard.lost_count) == ([b"2"], 1)


async def test_a_trim_of_what_was_read_is_no_loss(
    redis: Redis, stream: str, reader: TailReader, heard: Heard
):
    await reader.run_once()
    for number in range(5):
        await redis.xadd(stream, {"n": str(number)})
    await settled(reader)
    await redis.xtrim(stream, maxlen=0, approximate=False)
    await redis.xadd(stream, {"n": "5"})
    await settled(reader)
    assert heard.lost_count == 0
    assert len(heard.taken) == 6


async def test_redis_away_holds_the_place(redis_settings: RedisSettings, stream: str, heard: Heard):
    nowhere = redis_client(redis_settings.model_copy(update={"master_addr": "127.0.0.1:1"}))
    reader = TailReader("test", TailStorage(nowhere, stream), heard, uuid7, block_ms=20)
    with pytest.raises(RedisUnavailable):
        await reader.run_once()
    assert heard.begun == []
    await nowhere.aclose()


def test_ids_have_a_predecessor():
    assert before((5, 3)) == (5, 2)
    assert before((5, 0)) == (4, 2**64 - 1)


def test_losses_are_counted_from_what_redis_tells():
    place = Place("e", (10, 0), accounted=5)
    assert lost_entries(place, [(11, 0)], StreamState("e", 6, 3, (9, 0), (11, 0))) == 0
    assert lost_entries(place, [(13, 0)], StreamState("e", 8, 1, (13, 0), (13, 0))) == 2
    assert lost_entries(place, [(13, 0)], StreamState("e", 9, 1, (14, 0), (14, 0))) == 2
    assert lost_entries(place, [], StreamState("e", 7, 0, None, (12, 0))) == 2
