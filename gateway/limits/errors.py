"""Refusals of the limits room.

Refusal
├── RateLimited       too many requests; `retry_after_ms` says when the next one passes
├── TooManyInFlight   the session, or its user, waits for as many answers as it may
└── TooManyStreams    the session has as many event streams as it may
"""

from kit.refusals import Refusal, RefusalKind


class RateLimited(Refusal):
    """too many requests; try again later"""

    code = "rate_limited"
    kind = RefusalKind.TOO_MANY

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(retry_after_ms=max(1, round(wait_seconds * 1000)))


class TooManyInFlight(Refusal):
    """too many commands are under way; wait for their answers"""

    code = "too_many_in_flight"
    kind = RefusalKind.TOO_MANY

    def __init__(self) -> None:
        # When an answer comes nobody knows; most are here within a second.
        super().__init__(retry_after_seconds=1)


class TooManyStreams(Refusal):
    """this device session has too many open streams"""

    code = "rate_limited"
    kind = RefusalKind.TOO_MANY
