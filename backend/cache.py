"""A full table in memory, written through after each commit.

Two commits of one row may reach the cache in either order; the row's `version`, raised by each change, decides which one
stays. A row goes only after its deletion was committed. A cache is read whole at the start, and once more over what it
holds when a commit's outcome was unknown (`backend.term.reload`).
"""

from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar


class Versioned(Protocol):
    """A row that knows how often it was changed."""

    @property
    def version(self) -> int:
        """Return a number that grows with each change of the row."""


KEY = TypeVar("KEY", bound=Hashable)
ROW = TypeVar("ROW", bound=Versioned)


class TableCache(Generic[KEY, ROW]):
    """Rows by their key."""

    def __init__(self, name: str, key: Callable[[ROW], KEY]) -> None:
        """`name` is one of auth, user, admin, lobby, runtime, engineversion: it stands in `/readyz` while cold."""
        self.name = name
        self._key = key
        self._rows: dict[KEY, ROW] = {}
        self._warm = False

    async def load(self, read_all: Callable[[], Awaitable[Iterable[ROW]]]) -> None:
        """Read the whole table: before anybody is served, and again where a commit may have passed the cache by."""
        for row in await read_all():
            self.put(row)
        self._warm = True

    async def readiness(self) -> str | None:
        """Return the reason for `/readyz` while the table has not been read."""
        return None if self._warm else f"cache_{self.name}"

    def put(self, row: ROW) -> None:
        """Keep a committed row, unless a later version of it is kept already."""
        key = self._key(row)
        known = self._rows.get(key)
        if known is None or known.version <= row.version:
            self._rows[key] = row

    def remove(self, key: KEY) -> None:
        """Forget a row whose deletion was committed."""
        self._rows.pop(key, None)

    def clear(self) -> None:
        """Drop everything: this process no longer speaks for the table."""
        self._rows.clear()
        self._warm = False

    def find(self, key: KEY) -> ROW | None:
        """Return the row, or None."""
        return self._rows.get(key)

    def __iter__(self) -> Iterator[ROW]:
        """Go over a copy of the rows, in no promised order."""
        return iter(list(self._rows.values()))

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self._rows)
