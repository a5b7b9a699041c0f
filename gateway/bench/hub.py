"""Fan-out in memory: the hub against a queue a subscriber."""

import asyncio
import time
from datetime import timedelta

from gateway.push.gateway_events import GatewayEvents
from gateway.push.history import History
from gateway.push.hub import PushHub
from gateway.push.model import Cursor, Lane, PushEvent
from kit.clock import SystemClock
from kit.ids import uuid7


async def hub_deliveries_per_second(streams: int, rounds: int, burst: int = 1) -> float:
    """Publish `burst` events a round to `streams` streams of one user and wait until all have it."""
    clock = SystemClock()
    history = History(clock, 300, 64 << 20, timedelta(minutes=5))
    hub = PushHub(
        history,
        GatewayEvents(clock, uuid7),
        queue_events_max=256,
        queue_bytes_max=1 << 20,
        session_streams_max=streams,
    )
    hub.begin_lane(Cursor(Lane.PUSH, "e", (0,)), gap=False)
    taken = _Count(streams * burst)

    async def read() -> None:
        stream = hub.register("s")
        hub.attach(stream, "u")
        while True:
            for event in await stream.next_batch():
                stream.sent(event)
                taken.one()

    async def publish(number: int) -> None:
        hub.publish(PushEvent("u", "game.changed", "e", 1, b"{}", Cursor(Lane.PUSH, "e", (number,))))

    return await _measured([read() for _ in range(streams)], publish, taken, rounds, burst)


async def queue_deliveries_per_second(streams: int, rounds: int, burst: int = 1) -> float:
    """Do the same with one asyncio.Queue a subscriber."""
    queues: list[asyncio.Queue[PushEvent]] = [asyncio.Queue(256) for _ in range(streams)]
    taken = _Count(streams * burst)

    async def read(queue: "asyncio.Queue[PushEvent]") -> None:
        while True:
            await queue.get()
            taken.one()

    async def publish(number: int) -> None:
        event = PushEvent("u", "game.changed", "e", 1, b"{}", Cursor(Lane.PUSH, "e", (number,)))
        for queue in queues:
            queue.put_nowait(event)

    return await _measured([read(queue) for queue in queues], publish, taken, rounds, burst)


class _Count:
    """Counts deliveries and tells when a round is complete."""

    def __init__(self, of: int) -> None:
        self._of = of
        self._left = of
        self.complete = asyncio.Event()

    def one(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._left = self._of
            self.complete.set()


async def _measured(readers, publish, taken: _Count, rounds: int, burst: int) -> float:  # type: ignore[no-untyped-def]  # noqa: ANN001
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(reader) for reader in readers]
        await asyncio.sleep(0)
        began = time.perf_counter()
        for number in range(1, rounds + 1):
            taken.complete.clear()
            for extra in range(burst):
                await publish(number * burst + extra)
            await taken.complete.wait()
        seconds = time.perf_counter() - began
        for task in tasks:
            task.cancel()
    return rounds * burst * len(tasks) / seconds
