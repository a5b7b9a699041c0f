"""The transport of one channel: claimed routes become entries of its stream."""

import time
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from redis.asyncio import Redis
from redis.exceptions import RedisError

from kit.faults import Faults
from kit.logs import get_logger
from kit.outbox import Claim, Dead, Delivered, Outcome, Retry
from kit.outbox.stream_transport import Addition, add_all
from kit.postgres import Database
from notification.publishers.encoding import Encoder, PayloadEncodingFailed
from notification.publishers.leases import RouteLeases
from notification.routes.model import RoutePayload
from notification.routes.storage import RouteStorage

_log = get_logger("publishers")
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
        additions: list[Addition] = []
        unfit: list[Outcome] = []
        for claim in claims:
            if claim.id not in payloads:
                continue
            try:
                fields = self._encoder.encode(payloads[claim.id])
            except (PayloadEncodingFailed, TypeError, ValueError) as error:
                unfit.append(Dead(claim, PAYLOAD_ENCODING_FAILED, str(error)))
            else:
                additions.append(Addition(claim, self._stream, fields, self._length_max))
        if unfit:
            yield unfit
        if not additions:
            return
        free = {claim.id for claim in await self._leases.take([addition.claim for addition in additions])}
        additions = [addition for addition in additions if addition.claim.id in free]
        if not additions:
            return
        try:
            for part in self._parts(additions):
                outcomes = await add_all(self._redis, part, self._failed, self._failed)
                if part[-1] is not additions[-1]:
                    await self._faults.reach(self.mid_fan_out)
                await self._faults.reach(self.after_xadd)
                self._tell(outcomes, payloads)
                yield outcomes
        finally:
            await self._leases.drop([addition.claim for addition in additions])
        await self._trim()

    def _parts(self, additions: Sequence[Addition]) -> Sequence[Sequence[Addition]]:
        # One pipeline has no middle; where a test wants to kill us there, it is cut in two.
        first = len(additions) // 2 if self._faults.is_armed(self.mid_fan_out) else 0
        return [additions[:first], additions[first:]] if first else [additions]

    def _tell(self, outcomes: Sequence[Outcome], payloads: dict[str, RoutePayload]) -> None:
        for outcome in outcomes:
            route = payloads[outcome.claim.id]
            _log.info(
                _event(outcome),
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
        except (OSError, RedisError):
            _log.debug("stream_not_trimmed", stream=self._stream)


def _event(outcome: Outcome) -> str:
    if isinstance(outcome, Delivered):
        return "route_published"
    unknown = isinstance(outcome, Retry) and outcome.unknown
    return "route_unanswered" if unknown else "route_refused"
