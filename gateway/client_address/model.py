"""Finding the client behind proxies."""

import ipaddress
from collections.abc import Iterable, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _read(text: str) -> Address | None:
    """Read an address as people and proxies write it; an IPv4 address mapped into IPv6 becomes plain IPv4."""
    text = text.strip().removeprefix("[").partition("]")[0] if text.strip().startswith("[") else text.strip()
    if text.count(":") == 1:  # IPv4 with a port
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def household_of(address: str) -> str:
    """Return what limits count an address under: itself, or the /64 of an IPv6 one, since who has one of it has them all."""
    parsed = _read(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address


class TrustedProxies:
    """The proxies whose X-Forwarded-For is believed."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(network) for network in networks)

    def trusts(self, address: str) -> bool:
        """Tell whether this peer is one of ours."""
        parsed = _read(address)
        return parsed is not None and self._contains(parsed)

    def client_of(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """Return the client's address: the last hop that is none of our proxies.

        `forwarded_for` holds the values of every X-Forwarded-For header in order. Only what a trusted hop wrote counts; what
        stands left of the first stranger was written by the stranger.
        """
        here = _read(peer)
        if here is None:
            return peer
        hops = [hop for value in forwarded_for for hop in value.split(",")]
        while hops and self._contains(here):
            before = _read(hops.pop())
            if before is None:
                break
            here = before
        return str(here)

    def _contains(self, address: Address) -> bool:
        return any(address in network for network in self._networks if network.version == address.version)
