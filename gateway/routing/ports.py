"""What routing needs of the outside."""

from collections.abc import Mapping
from typing import Protocol

from gateway.routing.model import BackendRequest
from kit.rest_client import Answer


class CommandTarget(Protocol):
    """Where commands are executed."""

    async def call(self, request: BackendRequest, headers: Mapping[str, str]) -> Answer:
        """Send one call and return the answer. Raises PeerUnavailable."""
