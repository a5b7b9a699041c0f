"""Published keys."""

from dataclasses import dataclass
from enum import StrEnum


class KeyStatus(StrEnum):
    """What a published key is for."""

    ACTIVE = "active"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A public key of the gateway."""

    key_id: str
    public_key: bytes
    status: KeyStatus
