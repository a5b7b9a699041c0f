"""Bare e-mail addresses: one spelling, and what we are able to write to."""

import re

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
ADDRESS_CHARACTERS_MAX = 254


def normalise_address(text: str) -> str | None:
    """Return the address as it goes into an envelope, its domain in lower case and ASCII; None where it is no bare address.

    Local parts outside ASCII are refused: they would need SMTPUTF8 all along the way.
    """
    local, at, domain = text.rpartition("@")
    if not at or len(local) > 64 or not _LOCAL.fullmatch(local):
        return None
    try:
        ascii_domain = domain if domain.isascii() else domain.encode("idna").decode()
    except UnicodeError:
        return None
    if not all(_LABEL.fullmatch(label) for label in ascii_domain.split(".")):
        return None
    address = f"{local}@{ascii_domain.lower()}"
    return address if len(address) <= ADDRESS_CHARACTERS_MAX else None


def is_bare_address(text: str) -> bool:
    """Tell whether `text` is one address without a display name or anything around it."""
    return normalise_address(text) is not None
