"""The questions that a tail reader asks Redis."""

from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from gateway.stream_tail.model import Id, StreamState, TailEntry, format_id, parse_id
from kit.redis_pool import RedisUnavailable

# Gives the epoch in force: the present one, unless it is missing or the one that the caller knows to be over.
# KEYS: epoch key. ARGV: the epoch known to be over (or empty), a fresh name.
_EPOCH = """
local present = redis.call('GET', KEYS[1])
if present and present ~= ARGV[1] then
  return present
end
redis.call('SET', KEYS[1], ARGV[2])
return ARGV[2]
"""


class TailStorage:
    """One stream and its epoch. Every method raises RedisUnavailable."""

    def __init__(self, redis: "Redis", stream: str) -> None:
        self.stream = stream
        self._epoch_key = f"{stream}:epoch"
        self._redis = redis
        self._epoch_script = redis.register_script(_EPOCH)

    async def epoch(self, over: str, fresh: str) -> str:
        """Return the epoch in force, beginning one called `fresh` if there is none or `over` is still the one."""
        answer: Any = await self._ask(self._epoch_script(keys=[self._epoch_key], args=[over, fresh]))
        return str(answer.decode())

    async def state(self) -> StreamState:
        """Return the stream's epoch and counters, taken at one moment; an absent stream is an empty one."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.get(self._epoch_key)
            pipe.xinfo_stream(self.stream)
            epoch, info = await self._ask(pipe.execute(raise_on_error=False))
        name = epoch.decode() if isinstance(epoch, bytes) else ""
        if isinstance(info, ResponseError) and "no such key" in str(info):
            return StreamState(name, 0, 0, None, (0, 0))
        for answer in (epoch, info):
            if isinstance(answer, Exception):
                raise RedisUnavailable(str(answer)) from answer
        first = info["first-entry"]
        return StreamState(
            name,
            int(info["entries-added"]),
            int(info["length"]),
            parse_id(first[0]) if first else None,
            parse_id(info["last-generated-id"]),
        )

    async def read(self, epoch: str, after: Id, count: int, block_ms: int) -> list[TailEntry]:
        """Wait up to `block_ms` for entries after an id."""
        answer: Any = await self._ask(
            self._redis.xread({self.stream: format_id(after)}, count=count, block=block_ms)
        )
        return _entries(epoch, answer[0][1]) if answer else []

    async def range(self, epoch: str, after: Id, through: Id, count: int) -> list[TailEntry]:
        """Return entries in (after, through], `count` at most."""
        answer: Any = await self._ask(
            self._redis.xrange(self.stream, f"({format_id(after)}", format_id(through), count=count)
        )
        return _entries(epoch, answer)

    @staticmethod
    async def _ask(question: Any) -> Any:
        try:
            return await question
        except (RedisError, OSError) as error:
            raise RedisUnavailable(str(error)) from error


def _entries(epoch: str, rows: list[tuple[bytes, dict[bytes, bytes] | None]]) -> list[TailEntry]:
    # An entry deleted between reads shows as an id without fields.
    return [TailEntry(epoch, parse_id(entry_id), fields) for entry_id, fields in rows if fields]
