"""How long a connection may take; both engines hold to it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ConnectionPatience:
    """Bounds of one connection, in seconds."""

    first_request_seconds: float
    """From the connection to its first request."""
    header_seconds: float
    """For the whole head of an HTTP/1.1 request."""
    idle_seconds: float
    """Without a request in flight."""
