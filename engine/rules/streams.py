"""Named random streams: SHA-256 in counter mode, 53-bit uniforms (rules, 3).

A stream is fixed by seed, turn, purpose and key, so that one battle never shifts the luck of another and a replayed
turn draws the same numbers.
"""

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")
_UNIT = 1.0 / (1 << 53)


class Purpose(StrEnum):
    """What a stream is drawn for; different purposes never share numbers."""

    GALAXY = "galaxy"
    ORDER = "order"


class Stream:
    """An endless sequence of uniforms in [0, 1)."""

    def __init__(self, seed: str, turn: int, purpose: Purpose, key: str = "") -> None:
        digest = hashlib.sha256()
        for part in (seed, str(turn), purpose.value, key):
            encoded = part.encode()
            # A length before each part: "1|2" as a seed must not collide with seed "1" on turn 2.
            digest.update(len(encoded).to_bytes(4, "big") + encoded)
        self._root = digest.digest()
        self._counter = 0
        self._words: list[int] = []

    def uniform(self) -> float:
        """Return the next number in [0, 1)."""
        if not self._words:
            block = hashlib.sha256(self._root + self._counter.to_bytes(8, "big")).digest()
            self._counter += 1
            self._words = [int.from_bytes(block[i : i + 8], "big") for i in (24, 16, 8, 0)]
        return (self._words.pop() >> 11) * _UNIT

    def between(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * self.uniform()

    def below(self, limit: int) -> int:
        """Return a whole number in 0..limit-1."""
        return int(self.uniform() * limit)

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in a random order, each order equally likely."""
        result = list(items)
        for last in range(len(result) - 1, 0, -1):
            other = self.below(last + 1)
            result[last], result[other] = result[other], result[last]
        return result
