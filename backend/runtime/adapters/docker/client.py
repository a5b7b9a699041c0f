"""The Docker Engine API off the event loop: one lazily connected client in a bounded thread pool of its own.

asyncio's default executor is shared by everybody and small; a daemon that hangs must not take it with it.
"""

import asyncio
import contextlib
import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException, StreamParseError
from docker.utils import kwargs_from_env

from backend.runtime.errors import ContainersAway

P = ParamSpec("P")
T = TypeVar("T")
_THREADS = 8

NO_ANSWER = (
    DockerException,
    StreamParseError,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    OSError,
)
"""What says that the daemon is away. While a stream is read, urllib3's errors come as they are, not as requests' own."""


class _BoundedClient(docker.APIClient):
    """Bounds the reads of every call, also of those for which the library asks for no bound, as a pull."""

    def _set_request_timeout(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = self.timeout
        return kwargs


class DockerClient:
    """Calls functions with a `docker.APIClient` in a thread. Raises ContainersAway when no daemon answers."""

    def __init__(self, host: str, timeout: timedelta = timedelta(seconds=30)) -> None:
        """`host` empty: DOCKER_HOST, else the usual socket. `timeout` bounds each read from the daemon."""
        self._host = host
        self._timeout = timeout
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="docker")
        self._api: docker.APIClient | None = None

    async def run(
        self, call: Callable[Concatenate[docker.APIClient, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what `call(api, …)` returns. Raises ContainersAway, and APIError where the daemon refused."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: self._guarded(call, *args, **kwargs))

    async def run_apart(self, call: Callable[[docker.APIClient], T], limit: timedelta) -> T:
        """Return what `call(api)` returns, from a thread and a client of its own; raises as `run` does, and TimeoutError.

        A call that is not done within the limit, or is cancelled, is left behind: nothing waits for its thread, not even
        the end of the process, and its client gives up after a silence as long as the limit.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: Exception | None) -> None:
            if done.done():
                return
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(cast("T", result))

        def work() -> None:
            result, error = None, None
            try:
                result = self._called_apart(call, limit)
            except Exception as raised:  # noqa: BLE001 - it is raised where it is awaited
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(settle, result, error)

        threading.Thread(target=work, name="docker-apart", daemon=True).start()
        async with asyncio.timeout(limit.total_seconds()):
            return await done

    def connect(self, timeout: timedelta | None = None) -> docker.APIClient:
        """Return a client of its own; for threads that read a stream. Blocking. Raises ContainersAway."""
        options: dict[str, Any] = {"base_url": self._host} if self._host else {**kwargs_from_env()}
        seconds = int((timeout or self._timeout).total_seconds())
        try:
            return docker.APIClient(version="auto", timeout=seconds, **options)
        except NO_ANSWER as error:
            raise ContainersAway(f"no Docker Engine answers: {error}") from error

    def close(self) -> None:
        """Let go of threads and connections; calls on their way are not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._api is not None:
            self._api.close()

    def _guarded(
        self, call: Callable[Concatenate[docker.APIClient, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        if self._api is None:
            self._api = self.connect()
        try:
            return call(self._api, *args, **kwargs)
        except APIError:
            raise
        except NO_ANSWER as error:
            raise ContainersAway(f"the Docker Engine does not answer: {error}") from error

    def _called_apart(self, call: Callable[[docker.APIClient], T], silence: timedelta) -> T:
        options: dict[str, Any] = {"base_url": self._host} if self._host else {**kwargs_from_env()}
        try:
            api = _BoundedClient(version="auto", timeout=math.ceil(silence.total_seconds()), **options)
            try:
                return call(api)
            finally:
                api.close()
        except APIError:
            raise
        except NO_ANSWER as error:
            raise ContainersAway(f"the Docker Engine does not answer: {error}") from error
