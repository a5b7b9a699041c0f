"""Fan-out in memory: the hub against an asyncio.Queue a subscriber.

The peer is bounded by the number of events alone and hands them out one by one; it keeps no history, counts no bytes and has
no rule for what overflows. Both run in turns, by the processor time of this thread, so that other work on the machine
weighs on both alike; the figures are medians.
"""

import asyncio
import time
from datetime import timedelta
from statistics import median

from gateway.push.gateway_events import GatewayEvents
from gateway.push.history import History
from gateway.push.hub import PushHub
from gateway.push.model import Cursor, Lane, PushEvent
from kit.clock import SystemClock
from kit.ids import uuid7

_TURNS = 5


async def hub_and_queue_per_second(streams: int, rounds: int, burst: int) -> tuple[float, float, float]:
    """Return deliveries a second of the hub and of the queues, and the hub's over the queues'."""
    hubs, queues = [], []
    for _ in range(_TURNS):
        hubs.append(await _hub_deliveries_per_second(streams, rounds, burst))
        queues.append(await _queue_deliveries_per_second(streams, rounds, burst))
    ratios = [ours / theirs for ours, theirs in zip(hubs, queues, strict=True)]
    return median(hubs), median(queues), median(ratios)


async def _hub_deliveries_per_second(streams: int, rounds: int, burst: int) -> float:
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
    left = _Left(streams * burst)

    async def read() -> None:
        stream = hub.register("s")
        hub.attach(stream, "u")
        while True:
            pause = stream.pause()
            if pause is not None:
                await pause
            for _ in stream.drain():
                left.count -= 1
                if not left.count:
                    left.complete()

    async def publish(number: int) -> None:
        hub.publish(PushEvent("u", "game.changed", "e", 1, b"{}", Cursor(Lane.PUSH, "e", (number,))))

    return await _measured([read() for _ in range(streams)], publish, left, rounds, burst)


async def _queue_deliveries_per_second(streams: int, rounds: int, burst: int) -> float:
    """Do the same with one asyncio.Queue a subscriber."""
    queues: list[asyncio.Queue[PushEvent]] = [asyncio.Queue(256) for _ in range(streams)]
    left = _Left(streams * burst)

    async def read(queue: "asyncio.Queue[PushEvent]") -> None:
        while True:
            await queue.get()
            left.count -= 1
            if not left.count:
                left.complete()

    async def publish(number: int) -> None:
        event = PushEvent("u", "game.changed", "e", 1, b"{}", Cursor(Lane.PUSH, "e", (number,)))
        for queue in queues:
            queue.put_nowait(event)

    return await _measured([read(queue) for queue in queues], publish, left, rounds, burst)


class _Left:
    """What a round has still to deliver; readers count it down in place, since a call would be half of what is measured."""

    def __init__(self, of: int) -> None:
        self._of = of
        self.count = of
        self.round_over = asyncio.Event()

    def complete(self) -> None:
        self.count = self._of
        self.round_over.set()


async def _measured(readers, publish, left: _Left, rounds: int, burst: int) -> float:  # type: ignore[no-untyped-def]  # noqa: ANN001
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(reader) for reader in readers]
        await asyncio.sleep(0)
        began = time.thread_time()
        for number in range(1, rounds + 1):
            left.round_over.clear()
            for extra in range(burst):
                await publish(number * burst + extra)
            await left.round_over.wait()
        seconds = time.thread_time() - began
        for task in tasks:
            task.cancel()
    return rounds * burst * len(tasks) / seconds
