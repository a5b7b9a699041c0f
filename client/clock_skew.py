"""The time as the gateway sees it, on a device whose own clock may be wrong.

The device's clock is never set. An offset is learned from verified server time alone, so that nobody in between can turn
the clock; it lives as long as the process.
"""

from kit.clock import Clock, unix_ms


class SkewedClock:
    """The device's clock plus what it was found to be off by."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset_ms = 0

    def now_ms(self) -> int:
        """Return the gateway's time as well as it is known, in milliseconds since 1970."""
        return unix_ms(self._clock.now()) + self.offset_ms

    def monotonic(self) -> float:
        """Return seconds that only ever grow."""
        return self._clock.monotonic()

    def learn(self, server_time_ms: int, asked_at: float) -> None:
        """Take over the server's time from an answer to a question asked at `asked_at` (monotonic seconds).

        The server looked at its clock somewhere between question and answer; the middle is the best guess.
        """
        half_the_way_ms = (self._clock.monotonic() - asked_at) * 500
        self.offset_ms = round(server_time_ms + half_the_way_ms) - unix_ms(self._clock.now())
