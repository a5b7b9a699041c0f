"""Sending routed calls to the backend."""

from collections.abc import Mapping

from gateway.routing.model import BackendRequest
from kit.rest_client import Answer, PeerUnavailable, RestClient


class BackendCommands:
    """The backend's user calls."""

    def __init__(self, backend: RestClient) -> None:
        self._backend = backend

    async def call(self, request: BackendRequest, headers: Mapping[str, str]) -> Answer:
        """Send one call. Raises PeerUnavailable."""
        return await self._backend.call(request.method, request.path, body=request.body, headers=headers)


class NoCommands:
    """Stands where no backend is configured."""

    async def call(self, request: BackendRequest, headers: Mapping[str, str]) -> Answer:
        """Raise PeerUnavailable."""
        raise PeerUnavailable(f"no backend is configured for {request.path} ({len(headers)} headers)")
