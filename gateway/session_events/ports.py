"""Where revocations go."""

from typing import Protocol


class RevocationSink(Protocol):
    """Takes revocations (gateway.push.dispatcher)."""

    def revoke_device_session(self, device_session_id: str, reason: str) -> None:
        """Take the end of a session."""

    def malformed(self, source: str, position: str, problem: str) -> None:
        """Hear of an entry that was dropped."""


class Relookups(Protocol):
    """Looks open sessions up again."""

    def request(self) -> None:
        """Ask for a pass over every open session, soon."""
