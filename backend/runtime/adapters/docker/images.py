"""Images of engines: there, pulled, or not to be had."""

import time
from datetime import timedelta

import docker
from docker.errors import APIError, ImageNotFound, InvalidRepository
from docker.utils import parse_repository_tag

from backend.runtime.adapters.docker.client import DockerClient
from backend.runtime.errors import ConfigInvalid, ImagePullFailed
from backend.runtime.model import PullPolicy
from kit.logs import get_logger

_log = get_logger("docker_images")


class EngineImages:
    """Fetches images by the pull policy."""

    def __init__(self, client: DockerClient, policy: PullPolicy, pull_timeout: timedelta) -> None:
        self._client = client
        self._policy = policy
        self._pull_timeout = pull_timeout

    async def fetch(self, image: str, digest: str | None) -> None:
        """See to it that the image is there. Raises ImagePullFailed, ConfigInvalid, ContainersAway."""
        there = await self._client.run(_inspect, image)
        if self._policy is PullPolicy.ALWAYS or (there is None and self._policy is PullPolicy.IF_MISSING):
            await self._pull_in_time(image)
            there = await self._client.run(_inspect, image)
        if there is None:
            raise ImagePullFailed(f"image {image} is not there, and the pull policy is {self._policy}")
        if digest is not None and digest not in there:
            raise ImagePullFailed(f"image {image} has not the registered digest {digest}")

    async def _pull_in_time(self, image: str) -> None:
        # A registry that goes silent must hold neither a thread of the daemon's pool nor the end of the process.
        try:
            await self._client.run_apart(lambda api: self._pull(api, image), self._pull_timeout)
        except TimeoutError as error:
            raise ImagePullFailed(f"pull of {image}: not done within {self._pull_timeout}") from error

    def _pull(self, api: docker.APIClient, image: str) -> None:
        repository, tag = parse_repository_tag(image)
        began = time.monotonic()
        try:
            for line in api.pull(repository, tag or "latest", stream=True, decode=True):
                if "error" in line:
                    raise ImagePullFailed(f"pull of {image}: {line['error']}")
                if time.monotonic() - began > self._pull_timeout.total_seconds():  # nobody waits any more
                    raise ImagePullFailed(f"pull of {image}: not done within {self._pull_timeout}")
        except InvalidRepository as error:
            raise ConfigInvalid(f"{image} is no image reference: {error}") from error
        except APIError as error:
            if error.status_code == 400:
                raise ConfigInvalid(f"{image} is no image reference: {error.explanation}") from error
            raise ImagePullFailed(f"pull of {image}: {error.explanation or error}") from error
        _log.info("image_pulled", image=image, duration_seconds=round(time.monotonic() - began, 1))


def _inspect(api: docker.APIClient, image: str) -> frozenset[str] | None:
    """Return the image's digests and its id, or None where it is not there."""
    try:
        found = api.inspect_image(image)  # type: ignore[no-untyped-call]
    except ImageNotFound:
        return None
    except APIError as error:
        if error.status_code == 400:
            raise ConfigInvalid(f"{image} is no image reference: {error.explanation}") from error
        raise
    return frozenset([found["Id"], *(name.partition("@")[2] for name in found.get("RepoDigests") or [])])
