"""One spelling for each e-mail address."""

import re

from backend.users.errors import AddressMalformed

_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ADDRESS_MAX = 254


def normalise_email(text: str) -> str:
    """Return the address in lower case with its domain as in DNS (IDNA). Raises AddressMalformed.

    The local part is lower-cased too: servers that tell cases apart are a legend, people who type capitals are not.
    """
    local, at, domain = text.strip().rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or local.startswith(".") or local.endswith(".") or ".." in local:
        raise AddressMalformed
    try:
        ascii_domain = domain.strip(".").encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise AddressMalformed from error
    labels = ascii_domain.split(".")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressMalformed
    address = f"{local.lower()}@{ascii_domain}"
    if len(address) > _ADDRESS_MAX:
        raise AddressMalformed
    return address
