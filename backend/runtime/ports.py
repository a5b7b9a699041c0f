"""The port through which engines are started, seen and stopped. Adapters: `memory`, `process`, `docker`."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from backend.runtime.model import ContainerSpec, Death, Endpoint, Seen


class Containers(Protocol):
    """Runs engines, one container a game. Every method raises ContainersAway when nothing can be said.

    One behaviour suite (`backend/tests/runtime/containers_suite.py`) runs over every adapter.
    """

    survives_us: bool
    """Whether containers go on when this process ends."""

    owns_everything_seen: bool
    """Whether what `list` gives can be nobody else's, so that unknown ones may be removed."""

    async def prepare(self) -> None:
        """Make what containers need (a network, a folder). Repeatable."""

    async def fetch(self, image: str, digest: str | None) -> None:
        """See to it that the image can be started, by the adapter's pull policy.

        With a digest the image must have it. Raises ImagePullFailed, and ConfigInvalid for a reference that is none.
        """

    async def start(self, spec: ContainerSpec) -> Seen:
        """Start a container for a game that has none; it may not answer yet. Raises StartFailed, ConfigInvalid.

        What is left of an earlier container of the game is removed first.
        """

    async def stop(self, ref: str) -> None:
        """Ask the engine to end, kill it after the grace period, and remove it. Nothing to do when it is gone."""

    async def list(self) -> Sequence[Seen]:
        """Return every container of ours, dead ones too while they are not removed; never anybody else's."""

    async def last_words(self, ref: str) -> str:
        """Return the last lines of its log, for an operator; empty when there are none."""

    def deaths(self) -> AsyncIterator[Death]:
        """Give each end of a container from now on, until cancelled. After a break it goes on where it was, and may then
        give a death twice.
        """

    async def close(self) -> None:
        """Let go of everything; containers that cannot outlive us are stopped."""


class Probe(Protocol):
    """Asks an engine whether it is ready."""

    async def is_ready(self, endpoint: Endpoint) -> bool:
        """Return whether it is; False as well when nothing answers."""
