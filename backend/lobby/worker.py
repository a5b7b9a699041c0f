"""The end of enrolment: games whose time has come are started or given up."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from backend.lobby.service import Lobby
from kit.logs import get_logger
from kit.postgres import PostgresUnavailable

_log = get_logger("enrollment_worker")


class EnrollmentWorker:
    """Looks for games whose enrolment is over."""

    name = "enrollment_worker"

    def __init__(self, lobby: Lobby, interval: timedelta = timedelta(seconds=5)) -> None:
        self._lobby = lobby
        self._interval = interval

    async def run(self, started: Callable[[], None]) -> None:
        """Look at every interval until cancelled; Postgres being away is waited out."""
        started()
        while True:
            try:
                await self._lobby.end_enrollment()
            except PostgresUnavailable as error:
                _log.warning("enrollment_pass_put_off", reason=str(error))
            await asyncio.sleep(self._interval.total_seconds())
