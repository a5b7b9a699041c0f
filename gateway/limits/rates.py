"""Token buckets in this process; several gateways allow several times the rate."""

from collections import OrderedDict

from gateway.limits.errors import RateLimited
from gateway.limits.in_flight import InFlightLimit
from gateway.pipeline.model import Call, Passage
from kit.clock import Clock

_KEYS_MAX = 50_000


class RateLimit:
    """A bucket for each key: `burst` tokens, refilled with `rate` tokens a second.

    The least recently used keys are forgotten beyond a bound; a forgotten key begins with a full bucket.
    """

    def __init__(self, rate: float, burst: int, clock: Clock, keys_max: int = _KEYS_MAX) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._keys_max = keys_max
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> None:
        """Take one token. Raises RateLimited, which costs none."""
        now = self._clock.monotonic()
        tokens, since = self._buckets.get(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        if tokens < 1.0:
            raise RateLimited((1.0 - tokens) / self._rate)
        self._buckets[key] = (tokens - 1.0, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._keys_max:
            self._buckets.popitem(last=False)


class RateLimitStage:
    """Sixth: the session asks no more than its share, and the user's sessions together no more than theirs.

    Of requests, and of commands under way: an admitted command counts until its passage is over. Behind the signature, so
    that nobody can spend what is another's.
    """

    name = "rate_limit"

    def __init__(self, by_session: RateLimit, by_user: RateLimit, in_flight: InFlightLimit) -> None:
        self._by_session = by_session
        self._by_user = by_user
        self._in_flight = in_flight

    async def check(self, passage: Passage) -> None:
        """Raise RateLimited, or TooManyInFlight, which costs a token: asking again at once is no way round it."""
        session = passage.session
        self._by_session.take(session.device_session_id)
        self._by_user.take(session.user_id)
        if (
            passage.request.call is Call.EXECUTE_COMMAND
        ):  # streams stay for hours and have a limit of their own
            passage.held.callback(self._in_flight.enter(session.device_session_id, session.user_id))
