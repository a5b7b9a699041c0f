"""Which address a request counts for."""

import ipaddress

from fastapi import Request


def client_address(request: Request, *, behind_gateway: bool) -> str:
    """Return the client's address in its canonical form, or an empty string where there is none that makes sense.

    Behind the gateway (whose token was checked) it is the leftmost X-Forwarded-For; for everybody else that header is
    hearsay and the peer's own address counts.
    """
    forwarded = request.headers.get("x-forwarded-for", "") if behind_gateway else ""
    peer = request.client.host if request.client is not None else ""
    return normalise_address(forwarded.split(",")[0]) or normalise_address(peer)


def household_of(address: str) -> str:
    """Return what limits count a normalised address under: itself, or the /64 of an IPv6 one.

    Whoever has one address of a /64 has all of them.
    """
    if ":" not in address:
        return address
    return str(ipaddress.ip_network((address, 64), strict=False))


def normalise_address(text: str) -> str:
    """Write an IP address in one way: no brackets, no port, no zone, IPv4-mapped IPv6 as IPv4; else an empty string."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return str(parsed)
