"""What the replay room needs of a store."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Reservation:
    """The store's answer to one reservation."""

    first: bool
    """Nobody had reserved this id."""
    marker_ms: int
    """When the store began to be whole, milliseconds since the Unix epoch."""
    marker_written: bool
    """The marker was missing and was written by this very call: the store had been empty."""


class ReservationStore(Protocol):
    """Where request ids are reserved."""

    async def mark(self, now_ms: int) -> Reservation:
        """Write the marker if it is missing, reserve nothing. Raises ReplayStoreAway."""

    async def reserve(
        self, device_session_id: str, request_id: str, keep_ms: int, now_ms: int
    ) -> Reservation:
        """Reserve an id for `keep_ms`; write the marker with `now_ms` if it is missing. One step. Raises ReplayStoreAway."""
