"""`route_leases:*` in Redis: a hint that keeps two replicas off one route while a publication may still be under way.

Only the claim in Postgres decides. Should these keys be lost, a route is attempted once more at the worst.
"""

from collections.abc import Sequence
from datetime import timedelta

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from kit.outbox import Claim, TransportAway
from kit.redis_pool import AWAY


class RouteLeases:
    """Takes and drops the keys of one publisher."""

    def __init__(self, redis: "Redis", prefix: str, lease: timedelta) -> None:
        """`prefix` is everything before the route's id."""
        self._redis = redis
        self._prefix = prefix
        # Shorter than the claim's own lease, so that whoever takes a claim over finds the key gone.
        self._lease_ms = max(1, int(lease.total_seconds() * 900))

    async def take(self, claims: Sequence[Claim]) -> list[Claim]:
        """Return the claims whose key was free. Raises TransportAway."""
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for claim in claims:
                    pipeline.set(self._prefix + claim.id, claim.token, nx=True, px=self._lease_ms)
                answers = await pipeline.execute(raise_on_error=False)
        except AWAY as error:
            raise TransportAway("redis_unavailable", str(error)) from error
        # An error here is no reason to hold a route back: the stream itself will say what is wrong.
        return [
            claim
            for claim, answer in zip(claims, answers, strict=True)
            if answer is not None or isinstance(answer, ResponseError)
        ]

    async def drop(self, claims: Sequence[Claim]) -> None:
        """Remove the keys again; they run out by themselves where that fails."""
        try:
            await self._redis.unlink(*(self._prefix + claim.id for claim in claims))
        except (*AWAY, ResponseError):  # type: ignore[misc]
            return
