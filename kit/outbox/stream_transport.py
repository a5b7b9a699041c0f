"""Claimed entries become entries of Redis streams, and every doubt about it stays on record.

What both outboxes that publish to streams share: one pipeline of XADDs, and the verdict on each answer. What to write, and
where, is the caller's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from redis import exceptions as refusals
from redis.asyncio import Redis

from kit.outbox.model import Claim, Delivered, Outcome, Retry, TransportAway
from kit.redis_pool import AWAY

REDIS_UNAVAILABLE = "redis_unavailable"
_NO_ANSWER: tuple[type[Exception], ...] = (*AWAY, refusals.RedisError)
_UNWELL_KINDS: tuple[type[Exception], ...] = (
    *AWAY,
    refusals.AuthenticationError,
    refusals.OutOfMemoryError,
    refusals.NoPermissionError,
    refusals.MasterDownError,
)
_UNWELL = (
    "LOADING",
    "READONLY",
    "MISCONF",
    "OOM",
    "NOAUTH",
    "NOREPLICAS",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "BUSY",
    "NOPERM",
)
# What Redis says when it takes nothing from anybody just now: no fault of the entry.


@dataclass(frozen=True)
class Addition:
    """One claimed entry as it will stand in a stream."""

    claim: Claim
    stream: str
    """The whole key, prefix included."""
    fields: Mapping[str, str | bytes]
    length_max: int | None = None
    """Trim the stream to about this many entries; None: never."""


async def add_all(
    redis: "Redis", additions: Sequence[Addition], refused: str, unanswered: str
) -> list[Outcome]:
    """Add entries to their streams in one pipeline; return what is known of each.

    - answered with an id: Delivered, with that id;
    - refused by itself: Retry under the classification `refused`;
    - sent, and the answer never came: Retry under `unanswered`, unknown, since Redis may have taken it;
    - turned away by a Redis that is unwell (full, loading, read-only): no outcome, it was surely not added.

    Raises TransportAway when surely nothing was added at all.
    """
    async with redis.pipeline(transaction=False) as pipeline:
        try:
            # On the very connection that the entries will take: a Redis that is away, hanging or not willing is met
            # here, where nothing has been sent, and costs no attempt. Doubt is left to what breaks off after this.
            await pipeline.immediate_execute_command("PING")  # type: ignore[no-untyped-call]
        except _NO_ANSWER as error:
            raise TransportAway(REDIS_UNAVAILABLE, str(error)) from error
        for addition in additions:
            pipeline.xadd(
                addition.stream,
                dict(addition.fields),  # type: ignore[arg-type]  # invariant in its keys
                maxlen=addition.length_max,
                approximate=True,
            )
        try:
            answers = await pipeline.execute(raise_on_error=False)
        except _NO_ANSWER as error:
            said = str(error) or type(error).__name__
            return [Retry(addition.claim, unanswered, said, unknown=True) for addition in additions]
    outcomes: list[Outcome] = []
    unwell: str | None = None
    for addition, answer in zip(additions, answers, strict=True):
        if isinstance(answer, bytes):
            outcomes.append(Delivered(addition.claim, answer.decode()))
        elif isinstance(answer, _UNWELL_KINDS) or str(answer).startswith(_UNWELL):
            unwell = str(answer)
        else:
            outcomes.append(Retry(addition.claim, refused, str(answer)))
    if unwell is not None and not outcomes:
        raise TransportAway(REDIS_UNAVAILABLE, unwell)
    return outcomes
