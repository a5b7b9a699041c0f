"""Bringing one engine up: its image fetched, its container started, its engine ready."""

import asyncio
import secrets
from dataclasses import dataclass
from datetime import timedelta

from backend.engine_versions.service import EngineVersions
from backend.runtime.errors import ConfigInvalid, StartFailed
from backend.runtime.model import ContainerSpec, Endpoint, RuntimeRecord, Seen
from backend.runtime.ports import Containers, Probe
from kit.clock import Clock

_READY_POLL_SECONDS = 0.05


@dataclass
class _Fetch:
    """One image on its way, and how many starts wait for it."""

    task: asyncio.Task[None]
    waiting: int = 0


class Boots:
    """Boots engines, a few at a time.

    Slots are for what is sure to end soon. Fetching an image may take as long as a pull may, so it comes before the slot: a
    silent registry holds up the games that want that image and nobody else. Of one image there is one fetch at a time,
    whoever waits for it; of different ones as many as operators have registered versions.
    """

    def __init__(
        self,
        containers: Containers,
        probe: Probe,
        versions: EngineVersions,
        clock: Clock,
        *,
        boot_timeout: timedelta,
        starts_at_once: int,
    ) -> None:
        self._containers = containers
        self._probe = probe
        self._versions = versions
        self._clock = clock
        self._boot_timeout = boot_timeout
        self._slots = asyncio.Semaphore(starts_at_once)
        self._fetches: dict[tuple[str, str | None], _Fetch] = {}

    async def boot(self, record: RuntimeRecord) -> tuple[Seen, Endpoint]:
        """Return the container of a game's engine once that is ready. Raises RuntimeFailure."""
        version = self._versions.find(record.engine_version)
        if version is None:
            raise ConfigInvalid(f"engine version {record.engine_version} is not registered")
        await self._containers.prepare()
        await self._fetched(version.image, version.digest)
        async with self._slots:
            spec = ContainerSpec(record.game_id, version.semver, version.image, secrets.token_urlsafe(32))
            seen = await self._containers.start(spec)
            assert seen.endpoint is not None, "a started container has an endpoint"
            await self._until_ready(seen, seen.endpoint)
            return seen, seen.endpoint

    async def _fetched(self, image: str, digest: str | None) -> None:
        fetch = self._fetches.get((image, digest))
        if fetch is None:
            # A task of its own: whoever came first may be cancelled while others still wait; the last one to go ends it.
            fetch = _Fetch(asyncio.ensure_future(self._containers.fetch(image, digest)))
            self._fetches[image, digest] = fetch
        fetch.waiting += 1
        try:
            await asyncio.shield(fetch.task)
        finally:
            fetch.waiting -= 1
            if self._fetches.get((image, digest)) is fetch and (fetch.task.done() or not fetch.waiting):
                del self._fetches[image, digest]
            if not fetch.task.done() and not fetch.waiting:
                fetch.task.cancel()
                await asyncio.wait([fetch.task])

    async def _until_ready(self, seen: Seen, endpoint: Endpoint) -> None:
        deadline = self._clock.monotonic() + self._boot_timeout.total_seconds()
        while not await self._probe.is_ready(endpoint):
            still = {container.ref: container for container in await self._containers.list()}.get(seen.ref)
            ended = still is None or not still.running
            if ended or self._clock.monotonic() > deadline:
                words = await self._containers.last_words(seen.ref)
                await self._containers.stop(seen.ref)
                what = "ended while it booted" if ended else f"was not ready within {self._boot_timeout}"
                raise StartFailed(f"the engine {what}: {words[-300:]}")
            await asyncio.sleep(_READY_POLL_SECONDS)
