"""What the sessions room needs of the outside."""

from typing import Protocol

from gateway.sessions.model import Session


class SessionSource(Protocol):
    """Where sessions are looked up."""

    async def find(self, device_session_id: str) -> Session | None:
        """Return the session as it stands now, or None. Raises SessionSourceUnavailable."""
