"""The guard ahead of the pipeline: how many connections there may be."""

from collections import Counter
from collections.abc import Callable

from gateway.client_address.model import household_of


class ConnectionGuard:
    """Counts open connections, altogether and for each peer address (for IPv6, each /64)."""

    def __init__(
        self,
        connections_max: int,
        address_connections_max: int,
        is_trusted_proxy: Callable[[str], bool],
        on_refused: Callable[[str], None],
    ) -> None:
        """Trusted proxies carry many clients: the limit of one address does not hold for them. `on_refused` hears why."""
        self._connections_max = connections_max
        self._address_connections_max = address_connections_max
        self._is_trusted_proxy = is_trusted_proxy
        self._on_refused = on_refused
        self._open: Counter[str] = Counter()
        self._total = 0

    @property
    def open_connections(self) -> int:
        """Return how many connections are open."""
        return self._total

    def admit(self, address: str) -> bool:
        """Count a new connection in, or say that it must be closed; every admitted one must be released."""
        if self._total >= self._connections_max:
            self._on_refused("connections_max")
            return False
        household = household_of(address)
        if self._open[household] >= self._address_connections_max and not self._is_trusted_proxy(address):
            self._on_refused("address_connections_max")
            return False
        self._open[household] += 1
        self._total += 1
        return True

    def release(self, address: str) -> None:
        """Count a connection out."""
        household = household_of(address)
        self._total -= 1
        self._open[household] -= 1
        if self._open[household] <= 0:
            del self._open[household]
