"""What forwarding needs of the outside."""

from collections.abc import Mapping
from typing import Protocol

from kit.rest_client import Answer


class Upstream(Protocol):
    """Who answers public calls."""

    async def call(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one call, path and query percent-encoded. Raises PeerUnavailable."""
