"""How use cases make a mutation safe to repeat."""

from typing import Protocol

from backend.api.model import IdempotentCall, StoredAnswer
from kit.postgres import Connection


class IdempotencyKeys(Protocol):
    """Remembers answers in the transaction of the mutation that they belong to.

    A use case calls `first_answer` right after opening its transaction and returns what it gives, if it gives something;
    else it works and calls `remember` before it commits. Of two equal requests at once the second waits for the first one's
    commit inside `first_answer`. A call of None (no key was sent) makes both do nothing.
    """

    async def first_answer(self, connection: Connection, call: IdempotentCall | None) -> StoredAnswer | None:
        """Return the answer given before under this key, or claim the key and return None. Raises KeyReused."""

    async def remember(
        self, connection: Connection, call: IdempotentCall | None, answer: StoredAnswer
    ) -> None:
        """Keep the answer (`body` as JSON values) for 24 hours."""
