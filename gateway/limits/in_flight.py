"""How much one session and one user may have under way at once, in this process.

A rate says nothing of how long each command takes: a few slow ones a second fill every connection to the backend.
"""

from collections import Counter
from collections.abc import Callable

from gateway.limits.errors import TooManyInFlight


class InFlightLimit:
    """Counts the commands under way, for each session and for each user's sessions together."""

    def __init__(self, session_max: int, user_max: int) -> None:
        self._session_max = session_max
        self._user_max = user_max
        self._by_session: Counter[str] = Counter()
        self._by_user: Counter[str] = Counter()

    @property
    def under_way(self) -> int:
        """Return how many commands are under way."""
        return self._by_user.total()

    def enter(self, device_session_id: str, user_id: str) -> Callable[[], None]:
        """Count a command in and return what counts it out, to be called once. Raises TooManyInFlight."""
        if (
            self._by_session[device_session_id] >= self._session_max
            or self._by_user[user_id] >= self._user_max
        ):
            raise TooManyInFlight
        self._by_session[device_session_id] += 1
        self._by_user[user_id] += 1

        def leave() -> None:
            _count_out(self._by_session, device_session_id)
            _count_out(self._by_user, user_id)

        return leave


def _count_out(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
