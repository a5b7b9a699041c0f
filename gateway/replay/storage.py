"""Reservations in Redis."""

import asyncio
from time import perf_counter
from typing import Any, Protocol

from opentelemetry.trace import Tracer
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.replay.errors import ReplayStoreAway
from gateway.replay.ports import Reservation
from kit.redis_pool import RedisSettings

# One step on the server, so that a flush falls before or after it and never between marker and reservation.
# KEYS: marker, reservation (may be absent). ARGV: now_ms, keep_ms. Answer: marker value, 1 if it was written, 1 if reserved.
_RESERVE = """
local marker = redis.call('GET', KEYS[1])
local written = 0
if not marker then
  redis.call('SET', KEYS[1], ARGV[1])
  marker = ARGV[1]
  written = 1
end
local first = 1
if KEYS[2] and not redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[2]) then
  first = 0
end
return {marker, written, first}
"""


CONNECTIONS = 16
"""Reservations under way at once; more only wait at Redis instead of here."""


class OperationClock(Protocol):
    """Hears how long an operation took."""

    def __call__(self, operation: str, seconds: float) -> None:
        """Record one operation."""


class RedisReservations:
    """Request ids under `gateway:replay:<session>:<id>`, the marker under `gateway:replay:marker`."""

    def __init__(
        self, redis: "Redis", settings: RedisSettings, tracer: Tracer, on_operation: OperationClock
    ) -> None:
        self._tracer = tracer
        # The pool refuses instead of waiting when it is empty; who waits here for his turn is not refused.
        self._turns = asyncio.Semaphore(CONNECTIONS)
        self._marker_key = settings.key("gateway:replay:marker")
        self._prefix = settings.key("gateway:replay:")
        self._script = redis.register_script(_RESERVE)
        self._on_operation = on_operation

    async def mark(self, now_ms: int) -> Reservation:
        """Write the marker if it is missing. Raises ReplayStoreAway."""
        return await self._run("mark", [self._marker_key], [now_ms, 0])

    async def reserve(
        self, device_session_id: str, request_id: str, keep_ms: int, now_ms: int
    ) -> Reservation:
        """Reserve an id. Raises ReplayStoreAway."""
        key = f"{self._prefix}{device_session_id}:{request_id}"
        return await self._run("reserve", [self._marker_key, key], [now_ms, keep_ms])

    async def _run(self, operation: str, keys: list[str], arguments: list[int]) -> Reservation:
        began = perf_counter()
        try:
            with self._tracer.start_as_current_span(f"redis.replay.{operation}"):
                async with self._turns:
                    answer: Any = await self._script(keys=keys, args=arguments)
            return Reservation(
                first=bool(answer[2]), marker_ms=int(answer[0]), marker_written=bool(answer[1])
            )
        except (RedisError, OSError, ValueError) as error:
            # Only a clear yes lets a request pass: an error of any kind counts as away.
            raise ReplayStoreAway(str(error)) from error
        finally:
            self._on_operation(operation, perf_counter() - began)
