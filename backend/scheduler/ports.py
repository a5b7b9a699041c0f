"""What the scheduler needs of other rooms."""

from collections.abc import Sequence
from typing import Protocol

from backend.scheduler.model import Due, Move


class Turns(Protocol):
    """Who generates turns."""

    async def generate(self, due: Due) -> object:
        """Generate a turn, or put it off by itself. Raises PostgresUnavailable only."""


class Notices(Protocol):
    """Who tells players that a deadline moved."""

    def moved(self, moves: Sequence[Move]) -> None:
        """Tell, after the commit."""
