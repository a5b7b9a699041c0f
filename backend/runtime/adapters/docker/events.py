"""Deaths of our containers, from the daemon's event stream, which does not come back by itself."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

from backend.runtime.adapters.docker.client import NO_ANSWER, DockerClient
from backend.runtime.adapters.docker.labels import GAME, is_ours, label_filter
from backend.runtime.errors import ContainersAway
from backend.runtime.model import Death
from kit.backoff import Backoff
from kit.logs import get_logger

_log = get_logger("docker_events")


class DeathEvents:
    """Reads `die` events in a thread of its own and reopens the stream where it broke, with `since=`."""

    def __init__(self, client: DockerClient, stack_label: str) -> None:
        self._client = client
        self._stack_label = stack_label
        self._backoff = Backoff(timedelta(seconds=0.5), timedelta(seconds=15))

    async def stream(self) -> AsyncIterator[Death]:
        """Give each death from now on; after a break some may come twice, none is left out."""
        loop = asyncio.get_running_loop()
        since = int(time.time())  # the daemon's own clock marks its events; a second too early only repeats
        failures = 0
        while True:
            queue: asyncio.Queue[Mapping[str, Any] | None] = asyncio.Queue()
            reader = _Reader(self._client, self._filters(), since, loop, queue)
            reader.start()
            try:
                while (event := await queue.get()) is not None:
                    failures = 0
                    since = max(since, int(event["time"]))
                    attributes = event["Actor"]["Attributes"]
                    if is_ours(attributes, self._stack_label):
                        yield Death(event["Actor"]["ID"], attributes[GAME])
            finally:
                reader.stop()
            await asyncio.sleep(self._backoff.wait_seconds(failures))
            failures += 1

    def _filters(self) -> Mapping[str, Any]:
        return {"type": "container", "event": "die", "label": label_filter(self._stack_label)}


class _Reader(threading.Thread):
    """One life of the stream; ends it with None in the queue."""

    def __init__(
        self,
        client: DockerClient,
        filters: Mapping[str, Any],
        since: int,
        loop: asyncio.AbstractEventLoop,
        queue: "asyncio.Queue[Mapping[str, Any] | None]",
    ) -> None:
        super().__init__(name="docker-events", daemon=True)
        self._client = client
        self._filters = filters
        self._since = since
        self._loop = loop
        self._queue = queue
        self._stream: Any = None
        self._stopped = False

    def run(self) -> None:
        reason = "the stream ended"
        try:
            api = self._client.connect()
            try:
                self._stream = api.events(since=self._since, filters=dict(self._filters), decode=True)
                if not self._stopped:
                    for event in self._stream:
                        self._put(event)
            finally:
                if self._stream is not None:
                    # Its own close() leaves the file object on the socket open, and with it the socket.
                    self._stream._response.close()  # noqa: SLF001 - the library offers no other way
                api.close()
        except (ContainersAway, *NO_ANSWER, ValueError) as error:
            reason = str(error)
        if not self._stopped:
            _log.warning("docker_event_stream_broke", reason=reason)
        self._put(None)

    def stop(self) -> None:
        """End the stream; the thread goes by itself."""
        self._stopped = True
        if self._stream is not None:
            self._stream.close()

    def _put(self, event: Mapping[str, Any] | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, event)
        except RuntimeError:  # the loop is closed: nobody listens any more
            self._stopped = True
