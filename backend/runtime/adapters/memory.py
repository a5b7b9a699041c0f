"""Engines that run nowhere: the port in memory, for tests of everything above it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from backend.runtime.errors import ContainersAway, ImagePullFailed, RuntimeFailure
from backend.runtime.model import ContainerSpec, Death, Endpoint, Seen


class MemoryContainers:
    """Keeps what it was told; tests may kill containers, take images away, or cut the line."""

    survives_us = True
    owns_everything_seen = True

    def __init__(self, images: Sequence[str] = ("galaxy/game:1.0.0",)) -> None:
        self.images = set(images)
        self.silent: dict[str, asyncio.Event] = {}
        """Images whose pull ends when the event is set, and not before."""
        self.pulls: list[str] = []
        """Every pull that was begun."""
        self.containers: dict[str, Seen] = {}
        self.away = False
        self.start_error: RuntimeFailure | None = None
        self._count = 0
        self._listeners: set[asyncio.Queue[Death]] = set()

    def kill(self, ref: str, exit_code: int = 137) -> None:
        """End a container as a crash would."""
        seen = self.containers[ref]
        self.containers[ref] = replace(seen, running=False, endpoint=None, exit_code=exit_code)
        self._tell(seen)

    async def prepare(self) -> None:
        """Nothing to make."""
        self._reachable()

    async def fetch(self, image: str, digest: str | None) -> None:  # noqa: ARG002 - the port's signature
        """Know the image or not."""
        self._reachable()
        if image in self.silent:
            self.pulls.append(image)
            await self.silent[image].wait()
        elif image not in self.images:
            raise ImagePullFailed(f"no image {image}")

    async def start(self, spec: ContainerSpec) -> Seen:
        """Note a running container."""
        self._reachable()
        if self.start_error is not None:
            raise self.start_error
        for ref in [c.ref for c in self.containers.values() if c.game_id == spec.game_id]:
            await self.stop(ref)
        self._count += 1
        endpoint = Endpoint(f"memory://{self._count}", spec.token)
        seen = Seen(f"memory-{self._count:04d}", spec.game_id, spec.engine_version, True, endpoint)
        self.containers[seen.ref] = seen
        return seen

    async def stop(self, ref: str) -> None:
        """Forget it."""
        self._reachable()
        seen = self.containers.pop(ref, None)
        if seen is not None and seen.running:
            self._tell(seen)

    async def list(self) -> Sequence[Seen]:
        """Return what is noted."""
        self._reachable()
        return list(self.containers.values())

    async def last_words(self, ref: str) -> str:
        """Say what there is to say."""
        self._reachable()
        return f"{ref} said nothing" if ref in self.containers else ""

    async def deaths(self) -> AsyncIterator[Death]:
        """Give each death from now on."""
        queue: asyncio.Queue[Death] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)

    async def close(self) -> None:
        """Nothing to let go of."""

    def _tell(self, seen: Seen) -> None:
        for queue in self._listeners:
            queue.put_nowait(Death(seen.ref, seen.game_id))

    def _reachable(self) -> None:
        if self.away:
            raise ContainersAway("the line is cut")
