"""Looking every open session up again after a gap of the subscription."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Protocol

from gateway.sessions.errors import SessionRevoked, SessionSourceUnavailable, SessionUnknown
from gateway.sessions.service import Sessions
from kit.backoff import Backoff
from kit.logs import get_logger

_log = get_logger("sessions")


class OpenSessions(Protocol):
    """Who has streams open."""

    def open_sessions(self) -> Iterable[str]:
        """Return the sessions that have a stream, each once."""


class Relookup:
    """Asks the backend for each open session, a bounded number at once, until each has been answered.

    A session that the backend calls revoked or does not know is ended here. While the backend is away the rest waits with
    backoff: sessions are neither ended on suspicion nor forgotten.
    """

    name = "session_relookup"

    def __init__(
        self,
        sessions: Sessions,
        open_sessions: OpenSessions,
        end_session: Callable[[str, str], None],
        concurrency: int,
    ) -> None:
        """`end_session` takes the id and a reason."""
        self._sessions = sessions
        self._open_sessions = open_sessions
        self._end_session = end_session
        self._concurrency = concurrency
        self._requested = asyncio.Event()
        self._backoff = Backoff(timedelta(milliseconds=200), timedelta(seconds=5))

    def request(self) -> None:
        """Ask for a pass, soon; several requests make one."""
        self._requested.set()

    async def run(self, started: Callable[[], None]) -> None:
        """Work until cancelled."""
        started()
        while True:
            await self._requested.wait()
            self._requested.clear()
            await self.run_once()

    async def run_once(self) -> int:
        """Look every session up that is open now; return how many were ended."""
        waiting = set(self._open_sessions.open_sessions())
        ended = 0
        failures = 0
        while waiting:
            ended += await self._pass(waiting)
            waiting &= set(self._open_sessions.open_sessions())
            if waiting:
                await asyncio.sleep(self._backoff.wait_seconds(failures))
                failures += 1
        _log.info("sessions_looked_up_again", ended=ended)
        return ended

    async def _pass(self, waiting: set[str]) -> int:
        """Ask once for each; take those out of `waiting` that were answered."""
        gate = asyncio.Semaphore(self._concurrency)

        async def look_up(device_session_id: str) -> bool:
            async with gate:
                try:
                    await self._sessions.get(device_session_id)
                except SessionSourceUnavailable:
                    return False
                except (SessionRevoked, SessionUnknown):
                    self._end_session(device_session_id, "found_after_gap")
                    waiting.discard(device_session_id)
                    return True
            waiting.discard(device_session_id)
            return False

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(look_up(device_session_id)) for device_session_id in list(waiting)]
        return sum(task.result() for task in tasks)
