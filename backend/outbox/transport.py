"""Handing entries over to Redis streams."""

from collections.abc import AsyncIterator, Sequence

from redis import exceptions as refusals
from redis.asyncio import Redis
from redis.typing import EncodableT

from backend.outbox import storage
from kit.faults import Faults
from kit.outbox import Claim, Dead, Delivered, Outcome, Retry, TransportAway
from kit.postgres import Database
from kit.redis_pool import AWAY

_NO_ANSWER: tuple[type[Exception], ...] = (*AWAY, refusals.AuthenticationError)
_UNWELL_KINDS: tuple[type[Exception], ...] = (
    *_NO_ANSWER,
    refusals.OutOfMemoryError,
    refusals.NoPermissionError,
    refusals.MasterDownError,
)
_UNWELL = ("LOADING", "READONLY", "MISCONF", "OOM", "NOAUTH", "NOREPLICAS", "MASTERDOWN", "BUSY", "NOPERM")
# What Redis says when it takes nothing from anybody just now: no fault of the entry.
_BOUNDED_STREAM_LENGTH = 100_000


class RedisTransport:
    """One pipeline of XADDs a batch.

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
        pipeline = self._redis.pipeline(transaction=False)
        for claim in claims:
            payload = payloads[claim.id]
            bound = _BOUNDED_STREAM_LENGTH if payload.stream in self._bounded else None
            fields: dict[EncodableT, EncodableT] = dict(payload.fields.items())
            pipeline.xadd(self._prefix + payload.stream, fields, maxlen=bound, approximate=True)
        try:
            answers = await pipeline.execute(raise_on_error=False)
        except _NO_ANSWER as error:
            raise TransportAway("redis_unavailable", str(error)) from error
        await self._faults.reach("outbox.after_xadd")
        outcomes: list[Outcome] = []
        unwell: str | None = None
        for claim, answer in zip(claims, answers, strict=True):
            if isinstance(answer, bytes):
                outcomes.append(Delivered(claim, answer.decode()))
            elif isinstance(answer, _UNWELL_KINDS) or str(answer).startswith(_UNWELL):
                unwell = str(answer)  # given back untried, with all the others of its kind
            else:
                outcomes.append(Retry(claim, "redis_refused", str(answer)))
        if unwell is not None and not outcomes:
            raise TransportAway("redis_unavailable", unwell)
        return outcomes
