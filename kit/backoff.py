"""How long to wait before trying again."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Backoff:
    """Doubling waits under a ceiling, for connections that must come back.

    The n-th wait (n from 0) is drawn uniformly from (0, min(ceiling, first · 2ⁿ)], "full jitter": many clients that lost
    the same server do not return in step.
    """

    first: timedelta
    ceiling: timedelta

    def wait_seconds(self, failures: int) -> float:
        """Return the wait after `failures` earlier failures in a row, in seconds, never zero."""
        highest = min(self.ceiling.total_seconds(), self.first.total_seconds() * 2.0 ** min(failures, 62))
        return highest * (1.0 - random.random())


@dataclass(frozen=True)
class Ladder:
    """Fixed steps for the attempts of one queue entry; the last step repeats.

    Jitter is upward only, up to `jitter` of the step, so that a step is also a promise ("not before").
    """

    steps: Sequence[timedelta]
    jitter: float = 0.1

    def wait(self, attempt: int) -> timedelta:
        """Return the wait after the failed attempt number `attempt` (from 1)."""
        step = self.steps[min(attempt, len(self.steps)) - 1]
        return step * (1.0 + self.jitter * random.random())

    @staticmethod
    def doubling(first: timedelta, ceiling: timedelta, attempts: int, jitter: float = 0.1) -> "Ladder":
        """Build the steps first, 2·first, 4·first … under `ceiling`, one for each of `attempts`."""
        return Ladder(tuple(min(ceiling, first * 2**n) for n in range(attempts)), jitter)
