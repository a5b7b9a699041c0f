"""Handing entries over to Redis streams."""

from collections.abc import AsyncIterator, Sequence

from redis.asyncio import Redis

from backend.outbox import storage
from kit.faults import Faults
from kit.outbox import Claim, Dead, Outcome
from kit.outbox.stream_transport import Addition, add_all
from kit.postgres import Database

_BOUNDED_STREAM_LENGTH = 100_000


class RedisTransport:
    """One pipeline of XADDs a batch. An answer that never came leaves an attempt whose outcome is unknown.

    The intent and mail streams are never trimmed here: their readers do that below their committed offsets. A stream in
    `bounded` is a feed for whoever is there and keeps about the last hundred thousand entries.
    """

    def __init__(
        self,
        database: Database,
        redis: "Redis",
        key_prefix: str,
        bounded: frozenset[str] = frozenset(),
        faults: Faults | None = None,
    ) -> None:
        self._database = database
        self._redis = redis
        self._prefix = key_prefix
        self._bounded = bounded
        self._faults = faults or Faults()

    async def deliver(self, claims: Sequence[Claim]) -> AsyncIterator[Sequence[Outcome]]:
        """Hand claimed entries over. Raises TransportAway and PostgresUnavailable."""
        async with self._database.connection() as connection:
            payloads = await storage.payloads(connection, [claim.id for claim in claims])
        over: list[Outcome] = [Dead(claim, "expired") for claim in claims if payloads[claim.id].over]
        if over:
            yield over
        wanted = [claim for claim in claims if not payloads[claim.id].over]
        if wanted:
            yield await self._hand_over(wanted, payloads)

    async def _hand_over(
        self, claims: Sequence[Claim], payloads: dict[str, storage.Payload]
    ) -> Sequence[Outcome]:
        additions = [self._addition(claim, payloads[claim.id]) for claim in claims]
        outcomes = await add_all(self._redis, additions, "redis_refused", "redis_answer_lost")
        await self._faults.reach("outbox.after_xadd")
        return outcomes

    def _addition(self, claim: Claim, payload: storage.Payload) -> Addition:
        bound = _BOUNDED_STREAM_LENGTH if payload.stream in self._bounded else None
        return Addition(claim, self._prefix + payload.stream, payload.fields, bound)
