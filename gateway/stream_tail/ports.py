"""Who takes what a tail reader reads."""

from typing import Protocol

from gateway.stream_tail.model import Id, TailEntry


class TailHandler(Protocol):
    """Everything here is synchronous: entries are handed on before the next are read."""

    def began(self, epoch: str, after: Id, *, gap: bool) -> None:
        """Hear that entries after this id will come; with `gap` some before may never come."""

    def take(self, entry: TailEntry) -> None:
        """Take the next entry; malformed ones must be dropped here."""

    def lost(self, count: int) -> None:
        """Hear how many entries were trimmed before they could be read."""
