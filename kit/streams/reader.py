"""The offset reader.

Only one reader works on a stream: replicas poll an advisory lock held on a connection of its own. The lock saves work; the
fence is the offset row itself, which each commit moves on from the very place where the reader believed it to be. A pass
takes the stream's state and what follows the offset in one step, hands the entries to the handler inside a transaction, and
commits the rows together with the new offset. When a batch fails as a whole the entries are tried one by one, so that a
single bad one is recorded as malformed and the rest go through.
"""

import asyncio
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from kit.backoff import Backoff
from kit.logs import get_logger
from kit.postgres import Connection, Database, PostgresUnavailable
from kit.redis_pool import AWAY, RedisUnavailable
from kit.sql import load_queries
from kit.streams.model import START, Entry, Malformed, Offset, ReaderSettings, StreamState, id_key, judge
from kit.tasks import raise_if_cancelled

_log = get_logger("stream_reader")
_TRIM_SECONDS = 10.0
_LEAD_POLL_SECONDS = 0.5

_HOLDS: tuple[type[Exception], ...] = (
    PostgresUnavailable,
    RedisUnavailable,
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.LockNotAvailableError,
)
# A deadlock, a full disk, a cancelled statement: the entry is not to blame, so the offset waits.

_POISON: tuple[type[Exception], ...] = (
    Malformed,
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
)


_REFUSED: tuple[type[Exception], ...] = (*AWAY, ResponseError)


class OffsetMoved(Exception):
    """Another reader has committed past this one, which lost its lock without noticing."""


class StreamHandler(Protocol):
    """What becomes of entries."""

    async def prepare(self, entries: Sequence[Entry]) -> Any:
        """Do what needs other services, before any transaction is open; the result is handed to `handle`.

        Raises whatever of `holds_on` the reader was given to hold the offset, or Malformed.
        """

    async def handle(self, connection: Connection, entries: Sequence[Entry], prepared: Any) -> Any:
        """Write the rows that these entries cause. Raises Malformed to have a single entry recorded instead."""

    async def record_malformed(self, connection: Connection, entry: Entry, reason: str) -> None:
        """Keep a bad entry with its raw bytes and stream id; may be told the same entry again after a flush."""

    def committed(self, result: Any) -> None:
        """Hear that the transaction in which `handle` returned `result` has committed: wake workers, count, log."""


@dataclass(frozen=True)
class ReadCounts:
    """What one pass did."""

    handled: int = 0
    malformed: int = 0
    lost: int = 0


class StreamReader:
    """One stream, one handler, one offset.

    Error policy: Redis or Postgres away, or any of `holds_on` raised by the handler (a dependency is unwell), holds the
    offset and waits with backoff. `Malformed` moves on. Anything else rises as a defect.
    """

    def __init__(
        self,
        name: str,
        stream: str,
        redis: "Redis",
        database: Database,
        handler: StreamHandler,
        settings: ReaderSettings,
        holds_on: tuple[type[Exception], ...] = (),
        mirror_key: str | None = None,
        on_lost: Callable[[int], None] | None = None,
        wall_seconds: Callable[[], float] = time.time,
    ) -> None:
        """`mirror_key` names a Redis key that shows the committed offset to operators; nobody reads it back."""
        self._name = name
        self._stream = stream
        self._redis = redis
        self._database = database
        self._handler = handler
        self._settings = settings
        self._mirror_key = mirror_key
        self._on_lost = on_lost
        self._wall_seconds = wall_seconds
        self._holds_on: tuple[type[Exception], ...] = (*_HOLDS, OffsetMoved, *holds_on)
        self._queries = load_queries(__package__)
        self._backoff = Backoff(timedelta(milliseconds=200), timedelta(seconds=5))
        self._offset: Offset | None = None
        self._seen = 0
        self._oldest_unread_ms: int | None = None
        self._trimmed_at = 0.0

    @property
    def name(self) -> str:
        """Return the worker's name for logs."""
        return self._name

    def oldest_unread_age_ms(self) -> int:
        """Return the age of the oldest entry known to be unhandled, by the stamp in its id; 0 when there is none."""
        if self._oldest_unread_ms is None:
            return 0
        return max(0, int(self._wall_seconds() * 1000) - self._oldest_unread_ms)

    async def run(self, started: Callable[[], None]) -> None:
        """Read until cancelled; stands by while another replica reads."""
        started()
        failures = 0
        while True:
            try:
                async with self._database.session() as leader:
                    await self._lead(leader)
                    self._offset = None
                    while True:
                        raise_if_cancelled()
                        counts = await self.run_once()
                        if failures:
                            _log.info("stream_reader_resumed", worker=self._name, stream=self._stream)
                            failures = 0
                        if counts == ReadCounts():
                            await leader.execute("SELECT 1")  # a lost session has lost the lock with it
            except self._holds_on as error:
                if failures == 0:
                    _log.warning(
                        "stream_reader_holding", worker=self._name, stream=self._stream, reason=str(error)
                    )
                raise_if_cancelled()
                await asyncio.sleep(self._backoff.wait_seconds(failures))
                failures += 1

    async def _lead(self, connection: Connection) -> None:
        key = zlib.crc32(f"stream:{self._stream}".encode())
        while not await connection.fetchval(self._queries["try_lead"], key):
            await asyncio.sleep(_LEAD_POLL_SECONDS)

    async def run_once(self) -> ReadCounts:
        """Read, handle and commit one batch; with nothing to read wait for it, at most `block`.

        Raises PostgresUnavailable, RedisUnavailable, OffsetMoved, or one of `holds_on`; then the offset has not moved.
        """
        try:
            return await self._pass()
        except BaseException:
            self._offset = None  # where it stands now is for the database to say
            raise

    async def _pass(self) -> ReadCounts:
        offset = self._offset or await self._load()
        state, entries = await self._look(offset)
        found = judge(offset, state, read_any=bool(entries))
        self._seen = max(self._seen, found.seen) if found.epoch == offset.epoch else 0
        self._oldest_unread_ms = id_key(entries[0].id)[0] if entries else None
        if found.epoch != offset.epoch or found.lost != offset.lost:
            return await self._tell_loss(offset, found)
        if not entries:
            await self._trim(found)
            await self._wait(found)
            return ReadCounts()
        malformed = 0
        try:
            await self._commit(entries, found)
        except _POISON:
            for entry in entries:
                malformed += await self._commit_single(entry, self._offset or found)
        if len(entries) < self._settings.batch:
            self._oldest_unread_ms = None
        await self._mirror(entries[-1].id)
        await self._trim(self._offset or found)
        return ReadCounts(handled=len(entries) - malformed, malformed=malformed)

    async def _load(self) -> Offset:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(self._queries["get_offset"], self._stream)
        self._offset = Offset(**dict(row)) if row else START
        if self._seen > self._offset.accounted:  # seen while the offset was held, and not yet stored
            self._offset = Offset(**{**vars(self._offset), "seen": max(self._offset.seen, self._seen)})
        return self._offset

    async def _tell_loss(self, offset: Offset, found: Offset) -> ReadCounts:
        """Commit what was found before anything is read on, then raise the alarm once."""
        async with self._database.transaction() as connection:
            await self._put_offset(connection, offset, found)
        self._offset = found
        lost = found.lost - offset.lost
        if found.epoch != offset.epoch:
            _log.error("stream_began_anew", stream=self._stream, epoch=found.epoch, lost_at_least=lost)
        else:
            _log.error("stream_entries_lost", stream=self._stream, epoch=found.epoch, count=lost)
        if lost and self._on_lost is not None:
            self._on_lost(lost)
        return ReadCounts(lost=lost)

    async def _commit(self, entries: Sequence[Entry], offset: Offset) -> None:
        prepared = await self._handler.prepare(entries)
        after = offset.after(entries)
        async with self._database.transaction() as connection:
            await self._put_offset(connection, offset, after)
            result = await self._handler.handle(connection, entries, prepared)
        self._offset = after
        self._handler.committed(result)

    async def _commit_single(self, entry: Entry, offset: Offset) -> int:
        try:
            await self._commit([entry], offset)
        except _POISON as error:
            reason = str(error) if isinstance(error, Malformed) else type(error).__name__
            after = offset.after([entry])
            async with self._database.transaction() as connection:
                await self._put_offset(connection, offset, after)
                await self._handler.record_malformed(connection, entry, reason)
            self._offset = after
            _log.warning("stream_entry_malformed", stream=self._stream, stream_id=entry.id, reason=reason)
            return 1
        return 0

    async def _put_offset(self, connection: Connection, before: Offset, after: Offset) -> None:
        moved = await connection.fetchval(
            self._queries["put_offset"],
            self._stream,
            after.epoch,
            after.last_id,
            after.accounted,
            after.lost,
            after.seen,
            before.epoch,
            before.last_id,
            before.accounted,
        )
        if moved is None:
            raise OffsetMoved(f"another reader of {self._stream} has moved the offset on")

    async def _look(self, offset: Offset) -> tuple[StreamState | None, list[Entry]]:
        """Take the stream's state and the entries after the offset in one step, so that no trim falls between them."""
        try:
            async with self._redis.pipeline(transaction=True) as both:
                both.xinfo_stream(self._stream)
                both.xread({self._stream: offset.last_id}, count=self._settings.batch)
                info, answer = await both.execute(raise_on_error=False)
        except AWAY as error:
            raise RedisUnavailable(str(error)) from error
        if isinstance(info, ResponseError) and "no such key" in str(info):
            return None, []
        for part in (info, answer):
            if isinstance(part, Exception):
                raise RedisUnavailable(f"{self._stream}: {part}") from part
        first = info["first-entry"]
        state = StreamState(
            added=info["entries-added"],
            length=info["length"],
            last_generated_id=info["last-generated-id"].decode(),
            first_id=first[0].decode() if first else None,
        )
        # RESP2 gives [[stream, entries]], as protocol=2 of kit.redis_pool asks for.
        rows: list[tuple[bytes, dict[bytes, bytes]]] = answer[0][1] if answer else []
        return state, [Entry(entry_id.decode(), fields) for entry_id, fields in rows]

    async def _wait(self, offset: Offset) -> None:
        block_ms = max(1, int(self._settings.block.total_seconds() * 1000))
        try:
            await self._redis.xread({self._stream: offset.last_id}, count=1, block=block_ms)
        except AWAY as error:
            raise RedisUnavailable(str(error)) from error
        except ResponseError as error:  # UNBLOCKED: the key was deleted or renamed while we waited
            _log.debug("stream_wait_ended", stream=self._stream, reason=str(error))

    async def _trim(self, offset: Offset) -> None:
        """Drop handled entries now and then; never one above the committed offset."""
        if time.monotonic() - self._trimmed_at < _TRIM_SECONDS:
            return
        self._trimmed_at = time.monotonic()
        old_ms = int((self._wall_seconds() - self._settings.keep.total_seconds()) * 1000)
        below_ms = min(old_ms, id_key(offset.last_id)[0])
        if below_ms <= 0:
            return
        try:
            await self._redis.xtrim(self._stream, minid=f"{below_ms}-0", approximate=True)
        except _REFUSED as error:
            _log.debug("stream_not_trimmed", stream=self._stream, reason=str(error))

    async def _mirror(self, last_id: str) -> None:
        if self._mirror_key is None:
            return
        try:
            await self._redis.set(self._mirror_key, last_id)
        except _REFUSED:
            _log.debug("stream_offset_not_mirrored", stream=self._stream)
