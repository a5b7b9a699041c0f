"""The tail reader."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from gateway.stream_tail.model import Place, StreamState, before, began_anew, lost_entries
from gateway.stream_tail.ports import TailHandler
from gateway.stream_tail.storage import TailStorage
from kit.backoff import Backoff
from kit.ids import NewId
from kit.logs import get_logger
from kit.redis_pool import RedisUnavailable

_log = get_logger("stream_tail")
_BATCH = 200
_BLOCK_MS = 1000


class TailReader:
    """Reads one stream from where it ends at the start.

    Error policy: Redis away holds the place and waits with backoff; a stream that began anew is read from its beginning
    under a new epoch; trimmed entries are counted and told. Nothing else is expected.
    """

    def __init__(
        self,
        name: str,
        storage: TailStorage,
        handler: TailHandler,
        new_id: NewId,
        block_ms: int = _BLOCK_MS,
    ) -> None:
        """`block_ms` is the longest wait for an entry, shorter than the client's own timeout."""
        self._name = name
        self._storage = storage
        self._handler = handler
        self._new_id = new_id
        self._block_ms = block_ms
        self._place: Place | None = None
        self._backoff = Backoff(timedelta(milliseconds=100), timedelta(seconds=5))

    @property
    def name(self) -> str:
        """Return the worker's name."""
        return self._name

    async def run(self, started: Callable[[], None]) -> None:
        """Read until cancelled; started once the tail is known."""
        failures = 0
        while True:
            try:
                if self._place is None:
                    await self._begin()
                    started()
                await self.run_once()
                if failures:
                    _log.info("stream_tail_resumed", worker=self._name, stream=self._storage.stream)
                failures = 0
            except RedisUnavailable as error:
                if failures == 0:
                    _log.warning(
                        "stream_tail_holding",
                        worker=self._name,
                        stream=self._storage.stream,
                        reason=str(error),
                    )
                await asyncio.sleep(self._backoff.wait_seconds(failures))
                failures += 1

    async def run_once(self) -> int:
        """Read one batch and hand it on; return how many entries. Raises RedisUnavailable, with the place unchanged."""
        if self._place is None:
            await self._begin()
        place = self._place
        assert place is not None
        entries = await self._storage.read(place.epoch, place.last_id, _BATCH, self._block_ms)
        # Asked behind the read: had the stream been flushed before it, the entries would belong to another life.
        state = await self._storage.state()
        ids = [entry.id for entry in entries]
        if began_anew(place, ids, state):
            await self._begin_anew(place, state)
            return 0
        lost = lost_entries(place, ids, state)
        if lost:
            _log.error("stream_entries_lost", stream=self._storage.stream, count=lost)
            self._handler.lost(lost)
            visible = [entry_id for entry_id in (*ids[:1], state.first_id) if entry_id is not None]
            behind = before(min(visible)) if visible else state.last_generated_id
            self._handler.began(place.epoch, behind, gap=True)
            place = Place(place.epoch, max(place.last_id, behind), place.accounted + lost)
        for entry in entries:
            self._handler.take(entry)
        if entries:
            place = Place(place.epoch, ids[-1], place.accounted + len(entries))
        self._place = place
        return len(entries)

    async def _begin(self) -> None:
        epoch = await self._storage.epoch("", self._new_id())
        state = await self._storage.state()
        if state.epoch != epoch:
            raise RedisUnavailable("the epoch changed while it was being read")
        self._place = Place(epoch, state.last_generated_id, state.added)
        self._handler.began(epoch, state.last_generated_id, gap=False)

    async def _begin_anew(self, place: Place, state: StreamState) -> None:
        epoch = await self._storage.epoch(place.epoch, self._new_id())
        _log.error(
            "stream_began_anew",
            stream=self._storage.stream,
            epoch=epoch,
            was=place.epoch,
            length=state.length,
        )
        self._place = Place(epoch, (0, 0), 0)
        self._handler.began(epoch, (0, 0), gap=True)
