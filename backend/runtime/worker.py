"""The reconciler: at every interval, at every death of a container, and when a restart is due."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta

from backend.runtime.mending import Mend, Mender
from backend.runtime.ports import Containers
from backend.runtime.service import Engines
from kit.clock import Clock
from kit.logs import get_logger
from kit.postgres import PostgresUnavailable

_log = get_logger("reconciler")
_LEAST_WAIT_SECONDS = 0.2


class Reconciler:
    """Surveys, has each game mended in a task of its own, and listens to deaths."""

    name = "runtime_reconciler"

    def __init__(
        self, engines: Engines, mender: Mender, containers: Containers, clock: Clock, interval: timedelta
    ) -> None:
        self._engines = engines
        self._mender = mender
        self._containers = containers
        self._clock = clock
        self._interval = interval
        self._deaths = 0

    async def run(self, started: Callable[[], None]) -> None:
        """Reconcile until cancelled; when `started` is called, the first survey is over and its mends are on their way.

        The mends are tasks of this group: a stop cancels and awaits them, and a defect in one ends the worker.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(), name="runtime_deaths")
            await self._pass(group)
            started()
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._wait_seconds()):
                        await self._engines.look_again.wait()
                self._engines.look_again.clear()
                await self._pass(group)

    def _wait_seconds(self) -> float:
        wait = self._interval.total_seconds()
        restart_at = self._mender.next_restart_at()
        if restart_at is not None:
            wait = min(wait, (restart_at - self._clock.now()).total_seconds())
        return max(wait, _LEAST_WAIT_SECONDS)

    async def _pass(self, group: asyncio.TaskGroup) -> None:
        try:
            await self._mender.release()
            mends = await self._mender.survey()
        except PostgresUnavailable as error:
            _log.warning("reconcile_put_off", reason=str(error))
            return
        for mend in mends:
            group.create_task(self._mend(mend), name=f"runtime_mend:{mend.game_id}")

    async def _mend(self, mend: Mend) -> None:
        deaths = self._deaths
        try:
            actions = await self._mender.mend(mend)
        except PostgresUnavailable as error:
            _log.warning("reconcile_put_off", game_id=mend.game_id, reason=str(error))
            return
        if actions:
            _log.info("reconciled", game_id=mend.game_id, actions=actions)
        if self._deaths != deaths:
            # A survey at the time of that death passed this game by, since it was being mended.
            self._engines.look_again.set()

    async def _listen(self) -> None:
        async for death in self._containers.deaths():
            _log.info("container_died", game_id=death.game_id, ref=death.ref)
            self._deaths += 1
            self._engines.look_again.set()
