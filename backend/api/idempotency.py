"""Idempotency keys: the dependency that reads them and the table that remembers answers."""

import hashlib
import re
from datetime import timedelta
from typing import Annotated

from fastapi import Header, Request

from backend.api.errors import KeyMalformed, KeyReused
from backend.api.model import IdempotentCall, StoredAnswer
from backend.leadership.ports import Transactions
from kit.clock import Clock
from kit.postgres import Connection
from kit.sql import load_queries

_QUERIES = load_queries(__package__)
_KEY = re.compile(r"[A-Za-z0-9._:\-]{1,128}")
KEPT = timedelta(hours=24)


async def idempotent_call(
    request: Request,
    x_user_id: Annotated[str, Header(include_in_schema=False)] = "",
    idempotency_key: Annotated[
        str | None, Header(description="the same key and request give the first answer again, for 24 h")
    ] = None,
) -> IdempotentCall | None:
    """Return what a repeat of this request is recognised by; None where it carries no key. Raises KeyMalformed."""
    if idempotency_key is None:
        return None
    if not _KEY.fullmatch(idempotency_key):
        raise KeyMalformed
    seen = hashlib.sha256(f"{request.method} {request.url.path}?{request.url.query}\n".encode())
    seen.update(await request.body())
    return IdempotentCall(x_user_id, idempotency_key, seen.hexdigest())


class StoredIdempotencyKeys:
    """Answers in the table `idempotency_keys`, written with the mutations that they belong to."""

    def __init__(self, transactions: Transactions, clock: Clock) -> None:
        self._transactions = transactions
        self._clock = clock

    async def first_answer(self, connection: Connection, call: IdempotentCall | None) -> StoredAnswer | None:
        """Return the answer given before under this key, or claim the key and return None. Raises KeyReused."""
        if call is None:
            return None
        now = self._clock.now()
        # Of two at once, the second waits here until the first has committed (and then reads it) or rolled back.
        claimed = await connection.fetchval(
            _QUERIES["claim"], call.user_id, call.key, call.fingerprint, now, now - KEPT
        )
        if claimed:
            return None
        row = await connection.fetchrow(_QUERIES["find"], call.user_id, call.key)
        if row is None or row["fingerprint"] != call.fingerprint:
            raise KeyReused
        assert row["status"] is not None, "a committed key has its answer"
        return StoredAnswer(row["status"], row["answer"])

    async def remember(
        self, connection: Connection, call: IdempotentCall | None, answer: StoredAnswer
    ) -> None:
        """Keep the answer (`body` as JSON values) for 24 hours."""
        if call is not None:
            await connection.execute(_QUERIES["remember"], call.user_id, call.key, answer.status, answer.body)

    async def forget_old(self, limit: int) -> int:
        """Delete up to `limit` keys older than 24 hours; return how many."""
        async with self._transactions.write() as connection:
            return len(await connection.fetch(_QUERIES["forget_old"], self._clock.now() - KEPT, limit))
