"""Which ports are free, and who holds one that is not."""

import contextlib
import random
import socket
from collections.abc import Iterator

import psutil

LOOPBACK = "127.0.0.1"
# Below the range from which kernels lend source ports (32768 and up on Linux, 49152 and up elsewhere), so that a port
# kept in the data folder is still free at the next start.
_PRIVATE_RANGE = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """Whether a listener could be bound to this port of the loopback interface right now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def candidates(preferred: int | None = None) -> Iterator[int]:
    """Yield ports worth trying: the preferred one, then random free ones. A taker must still expect to lose the race."""
    if preferred and is_free(preferred):
        yield preferred
    for port in random.sample(_PRIVATE_RANGE, k=200):
        if port != preferred and is_free(port):
            yield port


def holder_of(port: int) -> str | None:
    """Say who listens on this port, as `name (pid 123)`; None when nobody does or this user may not know."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                return _describe(connection.pid) if connection.pid else None
    return None


def _describe(pid: int) -> str | None:
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return f"{process.name()} (pid {pid})"
    return f"pid {pid}"
