"""Workers: who has started, who died, and how they are stopped."""

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from kit.tasks import WorkerDied, Workers, raise_if_cancelled


class Part:
    """A worker that does what a test says."""

    def __init__(
        self, name: str, *, starts: bool = True, fails: Exception | None = None, clean_up: float = 0
    ) -> None:
        self.name = name
        self._starts = starts
        self._fails = fails
        self._clean_up = clean_up
        self.ended = False

    async def run(self, started: Callable[[], None]) -> None:
        if self._starts:
            started()
        if self._fails is not None:
            raise self._fails
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(self._clean_up)
            self.ended = True


async def test_readiness_waits_for_each_of_them():
    workers = Workers([Part("one"), Part("two", starts=False)])
    async with workers.running():
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert workers.waiting_for == ["two"]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(workers.all_started(), 0.01)


async def test_all_have_started_when_each_has():
    workers = Workers([Part("one"), Part("two")])
    async with workers.running():
        await asyncio.wait_for(workers.all_started(), 5)
        assert workers.waiting_for == []


async def test_no_workers_are_ready_at_once():
    workers = Workers([])
    async with workers.running():
        await asyncio.wait_for(workers.all_started(), 5)


async def test_leaving_waits_until_each_has_cleaned_up():
    parts = [Part("one", clean_up=0.05), Part("two", clean_up=0.01)]
    async with Workers(parts).running() as workers:
        await workers.all_started()
    assert all(part.ended for part in parts)


async def test_leaving_waits_no_longer_than_its_budget():
    stuck = Part("stuck", clean_up=30)
    began = asyncio.get_running_loop().time()
    async with Workers([stuck]).running(stop_timeout=0.05) as workers:
        await workers.all_started()
    assert asyncio.get_running_loop().time() - began < 5
    assert not stuck.ended


async def test_a_cancellation_that_was_swallowed_is_raised_again():
    passes = 0

    async def swallows() -> None:
        nonlocal passes
        while True:
            raise_if_cancelled()
            passes += 1
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    task = asyncio.ensure_future(swallows())
    await asyncio.sleep(0.03)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.shield(task), 5)
    assert passes > 0


@pytest.mark.parametrize("error", [ValueError("a defect"), None])
async def test_a_worker_that_ends_by_itself_is_a_death_with_its_cause(error: Exception | None):
    class Brief(Part):
        async def run(self, started: Callable[[], None]) -> None:
            started()
            if error is not None:
                raise error

    async with Workers([Brief("brief"), Part("other")]).running() as workers:
        died = await asyncio.wait_for(workers.died(), 5)
    assert isinstance(died, WorkerDied)
    assert str(died) == "brief"
    assert died.__cause__ is error


async def test_a_part_that_dies_before_it_has_started_ends_the_waiting():
    workers = Workers([Part("fine"), Part("broken", starts=False, fails=ValueError("no"))])
    async with workers.running():
        with pytest.raises(WorkerDied, match="broken"):
            await asyncio.wait_for(workers.all_started(), 5)
