"""Engines as Docker containers. One concern a file: `client`, `network`, `images`, `containers`, `events`, `labels`.

The backend reaches an engine by its address on the bridge, which works from the host and from a container on the same
network, also while the network is internal (no published ports, no egress).
"""

from collections.abc import AsyncIterator, Sequence

from docker.errors import APIError

from backend.runtime.adapters.docker.client import DockerClient
from backend.runtime.adapters.docker.containers import EngineContainers, Limits
from backend.runtime.adapters.docker.events import DeathEvents
from backend.runtime.adapters.docker.images import EngineImages
from backend.runtime.adapters.docker.network import EngineNetwork
from backend.runtime.errors import ContainersAway, StartFailed
from backend.runtime.model import ContainerSpec, Death, PullPolicy, Seen
from backend.settings import BackendSettings


class DockerContainers:
    """The `Containers` port over the Docker Engine API."""

    survives_us = True

    def __init__(
        self,
        client: DockerClient,
        network: EngineNetwork,
        images: EngineImages,
        containers: EngineContainers,
        events: DeathEvents,
        *,
        owns_everything_seen: bool,
    ) -> None:
        self._client = client
        self._network = network
        self._images = images
        self._containers = containers
        self._events = events
        self.owns_everything_seen = owns_everything_seen

    @staticmethod
    def open(settings: BackendSettings) -> "DockerContainers":
        """Build the adapter; nothing is connected yet."""
        runtime, stack_label = settings.runtime, settings.stack_label
        client = DockerClient(settings.docker.host)
        network = EngineNetwork(client, settings.docker.network, stack_label)
        return DockerContainers(
            client,
            network,
            EngineImages(client, PullPolicy(runtime.image_pull_policy), runtime.pull_timeout),
            EngineContainers(client, network.name, stack_label, Limits(runtime.memory_mib, runtime.cpus)),
            DeathEvents(client, stack_label),
            # Without a stack label, another installation's containers look like ours.
            owns_everything_seen=bool(stack_label),
        )

    async def prepare(self) -> None:
        """Make the network where it is missing."""
        try:
            await self._network.ensure()
        except APIError as error:
            raise ContainersAway(f"cannot make the network: {error.explanation or error}") from error

    async def fetch(self, image: str, digest: str | None) -> None:
        """Pull the image where the policy wants it."""
        try:
            await self._images.fetch(image, digest)
        except APIError as error:
            raise ContainersAway(f"cannot look for {image}: {error.explanation or error}") from error

    async def start(self, spec: ContainerSpec) -> Seen:
        """Create and start a hardened container."""
        try:
            return await self._containers.start(spec)
        except APIError as error:
            raise StartFailed(str(error.explanation or error)) from error

    async def stop(self, ref: str) -> None:
        """Stop and remove."""
        try:
            await self._containers.stop(ref)
        except APIError as error:
            raise ContainersAway(f"cannot stop {ref}: {error.explanation or error}") from error

    async def list(self) -> Sequence[Seen]:
        """Return our containers."""
        try:
            return await self._containers.list()
        except APIError as error:
            raise ContainersAway(f"cannot list containers: {error.explanation or error}") from error

    async def last_words(self, ref: str) -> str:
        """Return the last lines of the log."""
        return await self._containers.last_words(ref)

    def deaths(self) -> AsyncIterator[Death]:
        """Give each `die` event of our containers."""
        return self._events.stream()

    async def close(self) -> None:
        """Let go of the daemon; containers go on."""
        self._client.close()
