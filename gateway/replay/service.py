"""The freshness and replay stage.

The store is whole since the instant in its marker key. Where the marker is missing the store was lost (or is new), and is
marked anew. What may have counted before that instant can only be a request of a session that existed then, with a
timestamp of at most one window later: exactly those are refused, so nothing counts twice, clients wait one window at most
with a right clock, and a fresh installation refuses nobody, since its marker is older than its first session.
"""

from collections.abc import Callable
from datetime import timedelta

from gateway.pipeline.model import Passage
from gateway.replay.errors import (
    ReplayedRequest,
    ReplayStoreAway,
    ReplayStoreRebuilding,
    ReplayStoreUnavailable,
    StaleTimestamp,
)
from gateway.replay.ports import Reservation, ReservationStore
from kit.clock import Clock, unix_ms
from kit.logs import get_logger

_log = get_logger("replay")
_EXPIRY_MARGIN_MS = 1000
"""Reservations outlive the last moment of freshness by this, since Redis has a clock of its own."""


class ReplayStage:
    """Fifth: the request is fresh and has not counted before."""

    name = "freshness_replay"

    def __init__(
        self, store: ReservationStore, window: timedelta, clock: Clock, on_store_lost: Callable[[], None]
    ) -> None:
        """`on_store_lost` hears each time the marker had to be written while running."""
        self._store = store
        self._window_ms = round(window.total_seconds() * 1000)
        self._clock = clock
        self._on_store_lost = on_store_lost

    async def prepare(self) -> None:
        """Mark the store at start-up, before any session of a fresh installation can exist. Raises ReplayStoreAway."""
        marked = await self._store.mark(unix_ms(self._clock.now()))
        if marked.marker_written:
            _log.warning("replay_store_marked", marker_ms=marked.marker_ms)

    async def check(self, passage: Passage) -> None:
        """Raise StaleTimestamp, ReplayedRequest, ReplayStoreRebuilding or ReplayStoreUnavailable."""
        request = passage.request
        now_ms = unix_ms(self._clock.now())
        if abs(now_ms - request.timestamp_ms) > self._window_ms:
            raise StaleTimestamp
        try:
            reservation = await self._store.reserve(
                request.device_session_id,
                request.request_id,
                2 * self._window_ms + _EXPIRY_MARGIN_MS,
                now_ms,
            )
        except ReplayStoreAway as error:
            raise ReplayStoreUnavailable(retry_after_seconds=1) from error
        self._check_marker(passage, reservation)
        if not reservation.first:
            raise ReplayedRequest

    def _check_marker(self, passage: Passage, reservation: Reservation) -> None:
        if reservation.marker_written:
            _log.error("replay_store_lost", marker_ms=reservation.marker_ms)
            self._on_store_lost()
        doubtful_until_ms = reservation.marker_ms + self._window_ms
        timestamp_ms = passage.request.timestamp_ms
        if unix_ms(passage.session.created_at) < reservation.marker_ms and timestamp_ms <= doubtful_until_ms:
            raise ReplayStoreRebuilding(retry_after_ms=doubtful_until_ms - timestamp_ms + 1)
