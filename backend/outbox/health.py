"""Whether sign-in codes reach their readers in time."""

from datetime import timedelta

from backend.leadership.ports import Transactions
from backend.outbox import storage
from backend.outbox.facade import MailFacade
from kit.clock import Clock
from kit.postgres import PostgresUnavailable

_SERVICE_ASKED_EVERY_SECONDS = 5.0


class CodeMailHealth:
    """Looks at the oldest code in our own lane at each question, and at the mail service's at most every 5 s."""

    def __init__(
        self, transactions: Transactions, facade: MailFacade, delayed_after: timedelta, clock: Clock
    ) -> None:
        self._transactions = transactions
        self._facade = facade
        self._delayed_after = delayed_after
        self._clock = clock
        self._service_delayed = False
        self._ask_again_at = 0.0

    async def codes_delayed(self) -> bool:
        """Tell whether a code asked for now will probably come late; never raises."""
        try:
            async with self._transactions.read() as connection:
                if await storage.oldest_code_age(connection) > self._delayed_after:
                    return True
        except PostgresUnavailable:
            return True
        if self._clock.monotonic() >= self._ask_again_at:
            self._ask_again_at = self._clock.monotonic() + _SERVICE_ASKED_EVERY_SECONDS
            self._service_delayed = await self._facade.codes_delayed(self._clock.now())
        return self._service_delayed
