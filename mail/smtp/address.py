"""How addresses are kept out of logs and out of tables that outlive them."""

import hashlib
import re

_ANY = re.compile(r"[^\s<>\"(),:;]+@[^\s<>\"(),:;]+")


def address_hash(address: str) -> str:
    """Return the name of an address in tables that outlive it: SHA-256 of its lower-case form, in hex."""
    return hashlib.sha256(address.strip().lower().encode()).hexdigest()


def without_addresses(text: str) -> str:
    """Return `text` with everything that looks like an address taken out; relays like to quote them in refusals."""
    return _ANY.sub("<address>", text)
