"""Keeping the subscription alive."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from datetime import timedelta

from gateway.backend_push.errors import SubscriptionLost
from gateway.backend_push.model import Frame, Gap, Malformed, SessionInvalid, UserInvalid
from gateway.backend_push.ports import Frames, PushSink, Relookups
from gateway.push.model import Cursor, PushEvent
from kit.backoff import Backoff
from kit.clock import Clock
from kit.logs import get_logger

_log = get_logger("push_dispatcher")
_STABLE_SECONDS = 30.0
"""A subscription that lived so long begins the waits anew when it ends."""


class BackendPush:
    """Subscribes, for ever.

    Error policy: whatever ends the subscription is logged and counted, and the next attempt waits with capped backoff and
    full jitter. A frame that cannot be read is dropped and the next one taken.
    """

    name = "backend_push"

    def __init__(
        self,
        client: Frames,
        client_id: str,
        sink: PushSink,
        relookups: Relookups,
        clock: Clock,
        on_lost: Callable[[str], None],
        backoff: Backoff | None = None,
    ) -> None:
        """`on_lost` hears the status with which a subscription ended."""
        self._client = client
        self._client_id = client_id
        self._sink = sink
        self._relookups = relookups
        self._clock = clock
        self._on_lost = on_lost
        self._backoff = backoff or Backoff(timedelta(milliseconds=200), timedelta(seconds=10))
        self._handled: Cursor | None = None
        self.connected = False
        """Whether the backend accepts us just now."""

    async def run(self, started: Callable[[], None]) -> None:
        """Subscribe until cancelled. The gateway is ready without a backend, so it counts as started at once."""
        started()
        failures = 0
        while True:
            began = self._clock.monotonic()
            try:
                await self._subscribe()
            except SubscriptionLost as lost:
                _log.warning(
                    "push_subscription_lost", status=lost.status, reason=str(lost), failures=failures
                )
                self._on_lost(lost.status)
            finally:
                self.connected = False
            if self._clock.monotonic() - began >= _STABLE_SECONDS:
                failures = 0
            await asyncio.sleep(self._backoff.wait_seconds(failures))
            failures += 1

    async def _subscribe(self) -> None:
        frames = self._client.frames(self._client_id, self._handled)
        async with aclosing(frames):
            async for frame in frames:
                if frame is None:
                    self.connected = True
                    _log.info(
                        "push_subscription_opened", client_id=self._client_id, after=str(self._handled or "")
                    )
                    # Invalidations may have been lost while nobody listened, whatever the ring replays.
                    self._relookups.request()
                else:
                    self._take(frame)

    def _take(self, frame: Frame) -> None:
        if isinstance(frame.meaning, Gap):
            self._begin(frame.cursor)
            return
        self._follow(frame.cursor)
        match frame.meaning:
            case PushEvent() as event:
                self._sink.publish(event)
            case SessionInvalid(device_session_id, reason):
                self._sink.revoke_device_session(device_session_id, reason)
            case UserInvalid(user_id, reason):
                self._sink.revoke_all_for_user(user_id, reason)
            case Malformed(problem):
                self._sink.malformed("backend_push", str(frame.cursor), problem)

    def _follow(self, here: Cursor) -> None:
        """Go on to a frame; one that does not follow the last is a gap that nobody announced."""
        last = self._handled
        if last is None or last.epoch != here.epoch or here.position[0] != last.position[0] + 1:
            self._begin(Cursor(here.lane, here.epoch, (here.position[0] - 1,)))
        self._handled = here

    def _begin(self, start: Cursor) -> None:
        self._sink.lane_began(start, gap=True)
        self._relookups.request()
        self._handled = start
