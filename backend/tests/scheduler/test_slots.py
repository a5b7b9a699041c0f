"""Slots for turns are shared out among owners."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from backend.scheduler.slots import FairSlots
from kit.testing import eventually


class Holders:
    """Tasks that hold a slot until they are let go, in the order in which they got it."""

    def __init__(self, slots: FairSlots, group: asyncio.TaskGroup) -> None:
        self._slots = slots
        self._group = group
        self._done: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.got: list[str] = []

    async def want(self, name: str) -> None:
        """Want a slot for the owner that the first letter names."""
        self._done[name] = asyncio.Event()
        self.tasks[name] = self._group.create_task(self._hold(name))
        await asyncio.sleep(0)  # it is in line now, or has its slot

    async def let_go(self, name: str) -> None:
        self._done[name].set()
        await self.tasks[name]

    async def have(self, *names: str) -> None:
        async def reached() -> bool:
            return self.got == list(names)

        await eventually(reached)

    async def _hold(self, name: str) -> None:
        async with self._slots.hold(name[0]):
            self.got.append(name)
            await self._done[name].wait()


async def test_one_owner_takes_half_and_others_go_first():
    async with asyncio.TaskGroup() as group:
        holders = Holders(FairSlots(4), group)
        for number in range(20):
            await holders.want(f"m{number:02}")
        await holders.have("m00", "m01")
        await holders.want("a1")
        await holders.want("a2")
        await holders.have("m00", "m01", "a1", "a2")
        await holders.want("b1")
        await holders.let_go("m00")
        await holders.have("m00", "m01", "a1", "a2", "b1")
        await holders.let_go("a1")
        await holders.have("m00", "m01", "a1", "a2", "b1", "m02")
        for name in ["m01", "a2", "b1", *(f"m{number:02}" for number in range(2, 20))]:
            await holders.let_go(name)
        assert len(holders.got) == 23


async def test_a_single_slot_serves_everybody_in_turn():
    async with asyncio.TaskGroup() as group:
        holders = Holders(FairSlots(1), group)
        for name in ("m1", "m2", "a1"):
            await holders.want(name)
        for name in ("m1", "m2", "a1"):
            await holders.let_go(name)
        assert holders.got == ["m1", "m2", "a1"]


async def test_who_stops_waiting_takes_no_slot_and_who_is_cancelled_gives_it_back():
    slots = FairSlots(1)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(slots.hold("a"))
        waiting = asyncio.create_task(stack.enter_async_context(slots.hold("b")))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    handed = asyncio.Event()

    async def hold() -> None:
        async with slots.hold("b"):
            await handed.wait()

    async with slots.hold("a"):
        losing = asyncio.create_task(hold())
        await asyncio.sleep(0)
    losing.cancel()  # in the moment in which it was handed the slot
    with pytest.raises(asyncio.CancelledError):
        await losing
    async with asyncio.timeout(5), slots.hold("c"):
        pass
