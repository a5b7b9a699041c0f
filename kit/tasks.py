"""Background parts: one shape, one group.

A worker is anything with `run(started)`: it calls `started()` once it works and returns only when cancelled. An expected
failure is handled inside its loop; anything else ends the group, and with it the process, loudly.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from kit.logs import get_logger

_log = get_logger("tasks")


class Worker(Protocol):
    """A background part of a service."""

    @property
    def name(self) -> str:
        """Return a constant snake_case name for logs and metrics."""

    async def run(self, started: Callable[[], None]) -> None:
        """Work until cancelled; call `started` once the first pass can begin. May be called once only."""


def raise_if_cancelled() -> None:
    """Raise CancelledError where this task was asked to stop and something below swallowed it.

    `asyncio.wait_for` before Python 3.12 does that when the request meets a result, and drivers are built on it. Loops of
    workers call this once a pass; clean-up code must not.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class WorkerDied(Exception):
    """A worker ended by itself, which none may; the cause is chained."""


class Workers:
    """Runs workers side by side and hears when each has started."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = list(workers)
        self._waiting = {id(worker): worker.name for worker in workers}
        self._tasks: list[asyncio.Task[None]] = []
        self._all_started = asyncio.Event()
        self._died: asyncio.Future[WorkerDied] | None = None
        if not self._workers:
            self._all_started.set()

    @property
    def waiting_for(self) -> list[str]:
        """Names of workers that have not started yet, sorted; empty when readiness may be claimed."""
        return sorted(self._waiting.values())

    async def all_started(self) -> None:
        """Wait until every worker has called `started`; only inside `running()`.

        Raises WorkerDied when one ends before: nobody else would hear of it, and the process would wait for ever.
        """
        assert self._died is not None, "all_started() belongs inside running()"
        started = asyncio.ensure_future(self._all_started.wait())
        try:
            either: set[asyncio.Future[Any]] = {started, self._died}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            started.cancel()
        if not self._all_started.is_set():
            raise self._died.result()

    async def died(self) -> WorkerDied:
        """Wait until a worker has ended by itself; the process should then stop with this error."""
        assert self._died is not None, "died() belongs inside running()"
        return await asyncio.shield(self._died)

    @asynccontextmanager
    async def running(self, stop_timeout: float = 10.0) -> AsyncIterator["Workers"]:
        """Start all workers; on leaving cancel them and wait, at most `stop_timeout` seconds, until each has stopped."""
        self._died = asyncio.get_running_loop().create_future()
        for worker in self._workers:
            task = asyncio.create_task(self._supervise(worker), name=worker.name)
            self._tasks.append(task)
        try:
            yield self
        finally:
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                _, stuck = await asyncio.wait(self._tasks, timeout=stop_timeout)
                for task in stuck:
                    _log.error("worker_stop_timed_out", worker=task.get_name(), timeout_seconds=stop_timeout)

    async def _supervise(self, worker: Worker) -> None:
        def started() -> None:
            if self._waiting.pop(id(worker), None) is not None:
                _log.info("worker_started", worker=worker.name)
            if not self._waiting:
                self._all_started.set()

        cause: BaseException | None = None
        try:
            await worker.run(started)
        except asyncio.CancelledError:
            _log.info("worker_stopped", worker=worker.name)
            raise
        except Exception as error:  # noqa: BLE001 - the one place that turns a defect into the end of the process
            cause = error
        _log.error("worker_died", worker=worker.name, exc_info=cause)
        died = WorkerDied(worker.name)
        died.__cause__ = cause
        if self._died is not None and not self._died.done():
            self._died.set_result(died)
