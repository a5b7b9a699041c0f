"""Token buckets in this process; several gateways allow several times the rate."""

from collections import OrderedDict

from gateway.limits.errors import RateLimited
from gateway.limits.in_flight import InFlightLimit
from gateway.pipeline.model import Call, Passage
from kit.clock import Clock

_KEYS_MAX = 50_000
_TOKEN_BYTES = 64 * 1024


def tokens_of(payload_bytes: int) -> int:
    """Return what a request with so large a payload costs: a token for each started 64 KiB, and one at least."""
    return max(1, -(-payload_bytes // _TOKEN_BYTES))


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

    def take(self, key: str, tokens_wanted: int = 1) -> None:
        """Take tokens; more than a full bucket holds empty it, so that every request may pass at some time.

        Raises RateLimited, which costs none.
        """
        wanted = min(float(tokens_wanted), self._burst)
        now = self._clock.monotonic()
        tokens, since = self._buckets.get(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        if tokens < wanted:
            raise RateLimited((wanted - tokens) / self._rate)
        self._buckets[key] = (tokens - wanted, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._keys_max:
            self._buckets.popitem(last=False)


class RateLimitStage:
    """Sixth: the session asks no more than its share, and the user's sessions together no more than theirs.

    Of requests, a large one counting as several, and of commands under way, counted until their passage is over. Behind
    the signature, so that nobody can spend what is another's.
    """

    name = "rate_limit"

    def __init__(self, by_session: RateLimit, by_user: RateLimit, in_flight: InFlightLimit) -> None:
        self._by_session = by_session
        self._by_user = by_user
        self._in_flight = in_flight

    async def check(self, passage: Passage) -> None:
        """Raise RateLimited; or what costs tokens, since asking again at once is no way round it: TooManyInFlight, or
        TooManyStreams by the watch of a subscription.
        """
        session = passage.session
        tokens = tokens_of(len(passage.request.payload_bytes))
        self._by_session.take(session.device_session_id, tokens)
        self._by_user.take(session.user_id, tokens)
        if (
            passage.request.call is Call.EXECUTE_COMMAND
        ):  # streams stay for hours and have a limit of their own
            passage.held.callback(self._in_flight.enter(session.device_session_id, session.user_id))
        elif passage.watch is not None:
            passage.watch.admitted()
