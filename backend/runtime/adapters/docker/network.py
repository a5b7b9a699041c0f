"""The network of engines: a bridge without a way out."""

import docker
from docker.errors import APIError

from backend.runtime.adapters.docker.client import DockerClient
from backend.runtime.adapters.docker.labels import BACKEND, STACK
from kit.logs import get_logger

_log = get_logger("docker_network")


class EngineNetwork:
    """Sees to it that the network is there.

    An internal bridge gives engines no egress; the host still reaches them by their addresses.
    """

    def __init__(self, client: DockerClient, name: str, stack_label: str) -> None:
        self.name = name
        self._client = client
        self._stack_label = stack_label
        self._known = False

    async def ensure(self) -> None:
        """Create the network where it is missing. Raises ContainersAway."""
        await self._client.run(self._ensure)

    def _ensure(self, api: docker.APIClient) -> None:
        found = [network for network in api.networks(names=[self.name]) if network["Name"] == self.name]
        if found:
            if not self._known and not found[0].get("Internal"):
                _log.warning("engine_network_has_egress", network=self.name)
            self._known = True
            return
        labels = {BACKEND: "1", **({STACK: self._stack_label} if self._stack_label else {})}
        try:
            api.create_network(self.name, driver="bridge", internal=True, check_duplicate=True, labels=labels)
        except APIError as error:
            if error.status_code != 409:  # another backend was quicker
                raise
        else:
            _log.info("engine_network_created", network=self.name)
        self._known = True
