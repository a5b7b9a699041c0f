"""The transport of one channel: claimed routes become entries of its stream."""

import time
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from kit.faults import Faults
from kit.logs import get_logger
from kit.outbox import Claim, Dead, Delivered, Outcome, Retry, TransportAway
from kit.postgres import Database
from kit.redis_pool import AWAY
from notification.publishers.encoding import Encoder, PayloadEncodingFailed
from notification.publishers.leases import RouteLeases
from notification.routes.model import RoutePayload
from notification.routes.storage import RouteStorage

_log = get_logger("publishers")
_UNWELL = (
    "OOM",
    "READONLY",
    "LOADING",
    "MASTERDOWN",
    "NOREPLICAS",
    "MISCONF",
    "CLUSTERDOWN",
    "NOAUTH",
    "NOPERM",
    "BUSY",
)
# What Redis says of itself rather than of one entry.
_TRIM_SECONDS = 10.0
PAYLOAD_ENCODING_FAILED = "payload_encoding_failed"


class StreamPublisher:
    """Publishes one channel's routes by pipelines of XADD."""

    def __init__(
        self,
        name: str,
        database: Database,
        routes: RouteStorage,
        redis: "Redis",
        stream: str,
        encoder: Encoder,
        failed: str,
        leases: RouteLeases,
        faults: Faults,
        length_max: int | None = None,
        retention: timedelta | None = None,
    ) -> None:
        """`failed` classifies a refusal of the stream; `length_max` and `retention` trim it, about."""
        self._name = name
        self._database = database
        self._routes = routes
        self._redis = redis
        self._stream = stream
        self._encoder = encoder
        self._failed = failed
        self._leases = leases
        self._faults = faults
        self._length_max = length_max
        self._retention = retention
        self._trimmed_at = 0.0

    @property
    def after_xadd(self) -> str:
        """Return the fault point between the stream's answer and the mark, `notification.<publisher>.after_xadd`."""
        return f"notification.{self._name}.after_xadd"

    @property
    def mid_fan_out(self) -> str:
        """Return the fault point between two halves of a fan-out, `notification.<publisher>.mid_fan_out`."""
        return f"notification.{self._name}.mid_fan_out"

    async def deliver(self, claims: Sequence[Claim]) -> AsyncIterator[Sequence[Outcome]]:
        """Publish claimed routes in one pipeline. Raises TransportAway."""
        async with self._database.connection() as connection:
            payloads = await self._routes.list_payloads(connection, claims)
        entries: list[tuple[Claim, dict[str, str | bytes]]] = []
        unfit: list[Outcome] = []
        for claim in claims:
            if claim.id not in payloads:
                continue
            try:
                entries.append((claim, self._encoder.encode(payloads[claim.id])))
            except (PayloadEncodingFailed, TypeError, ValueError) as error:
                unfit.append(Dead(claim, PAYLOAD_ENCODING_FAILED, str(error)))
        if unfit:
            yield unfit
        if not entries:
            return
        free = {claim.id for claim in await self._leases.take([claim for claim, _ in entries])}
        entries = [(claim, fields) for claim, fields in entries if claim.id in free]
        if not entries:
            return
        published = [claim for claim, _ in entries]
        try:
            answers = await self._fan_out([fields for _, fields in entries])
            await self._faults.reach(self.after_xadd)
            outcomes = [self._judge(claim, answer) for claim, answer in zip(published, answers, strict=True)]
            self._tell(outcomes, payloads)
            yield outcomes
        finally:
            await self._leases.drop(published)
        await self._trim()

    async def _fan_out(self, entries: Sequence[dict[str, str | bytes]]) -> list[Any]:
        # One pipeline has no middle; where a test wants to kill us there, it is cut in two.
        first = len(entries) // 2 if self._faults.is_armed(self.mid_fan_out) else 0
        if not first:
            return await self._add(entries)
        answers = await self._add(entries[:first])
        await self._faults.reach(self.mid_fan_out)
        return answers + await self._add(entries[first:])

    async def _add(self, entries: Sequence[dict[str, str | bytes]]) -> list[Any]:
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for fields in entries:
                    pipeline.xadd(self._stream, fields, maxlen=self._length_max, approximate=True)  # type: ignore[arg-type]
                answers = await pipeline.execute(raise_on_error=False)
        except AWAY as error:
            raise TransportAway("redis_unavailable", str(error)) from error
        for answer in answers:
            if isinstance(answer, AWAY) or (isinstance(answer, RedisError) and _is_unwell(answer)):
                raise TransportAway("redis_unwell", str(answer))
        return list(answers)

    def _judge(self, claim: Claim, answer: Any) -> Outcome:
        if isinstance(answer, Exception):
            return Retry(claim, self._failed, str(answer))
        return Delivered(claim, answer.decode() if isinstance(answer, bytes) else str(answer))

    def _tell(self, outcomes: Sequence[Outcome], payloads: dict[str, RoutePayload]) -> None:
        for outcome in outcomes:
            route = payloads[outcome.claim.id]
            event = "route_published" if isinstance(outcome, Delivered) else "route_refused"
            _log.info(
                event,
                route_id=route.route_id,
                record_id=route.record_id,
                notification_type=route.notification_type,
                producer=route.producer,
                audience_kind=route.audience_kind,
                attempt_no=outcome.claim.attempt_no,
                request_id=route.request_id,
                trace_id=route.trace_id,
            )

    async def _trim(self) -> None:
        if self._retention is None or time.monotonic() - self._trimmed_at < _TRIM_SECONDS:
            return
        self._trimmed_at = time.monotonic()
        try:
            seconds, _ = await self._redis.time()
            oldest_ms = int((seconds - self._retention.total_seconds()) * 1000)
            if oldest_ms > 0:
                await self._redis.xtrim(self._stream, minid=f"{oldest_ms}-0", approximate=True)
        except (*AWAY, RedisError):  # type: ignore[misc]
            _log.debug("stream_not_trimmed", stream=self._stream)


def _is_unwell(error: RedisError) -> bool:
    return any(str(error).startswith(word) for word in _UNWELL) or isinstance(error, AWAY)
