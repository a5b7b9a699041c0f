"""What every adapter of the `Containers` port does: one suite over `memory`, `process` and `docker`.

The engine of each is real except in memory; `answers` asks it over HTTP.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from backend.runtime.errors import ConfigInvalid, ImagePullFailed
from backend.runtime.model import ContainerSpec, Death, Endpoint, Seen
from backend.runtime.ports import Containers
from kit.ids import uuid7
from kit.testing import eventually


@dataclass
class Rig:
    """An adapter under test and what only its own test file knows of it."""

    containers: Containers
    image: str
    answers: Callable[[Endpoint], Awaitable[bool]]
    """Whether the engine there answers with this token."""
    crash: Callable[[Seen], Awaitable[None]]
    """End a container as a crash would, behind the adapter's back."""
    has_images: bool = True

    def spec(self, game_id: str = "") -> ContainerSpec:
        return ContainerSpec(game_id or uuid7(), "1.0.0", self.image, f"token-{uuid7()}")

    async def find(self, ref: str) -> Seen | None:
        return next((seen for seen in await self.containers.list() if seen.ref == ref), None)


class ContainersSuite:
    """Subclass it with a fixture `rig`."""

    async def test_a_started_container_is_seen_and_its_engine_answers(self, rig: Rig):
        spec = rig.spec()
        seen = await rig.containers.start(spec)
        assert (seen.game_id, seen.engine_version, seen.running) == (spec.game_id, "1.0.0", True)
        assert seen.endpoint is not None
        assert seen.endpoint.token == spec.token
        endpoint = seen.endpoint
        await eventually(lambda: rig.answers(endpoint), 20)
        listed = await rig.find(seen.ref)
        assert listed is not None
        assert (listed.game_id, listed.running, listed.endpoint) == (spec.game_id, True, seen.endpoint)

    async def test_preparing_twice_changes_nothing(self, rig: Rig):
        await rig.containers.prepare()
        await rig.containers.prepare()

    async def test_a_stopped_container_is_gone_and_stopping_it_again_is_harmless(self, rig: Rig):
        seen = await rig.containers.start(rig.spec())
        await rig.containers.stop(seen.ref)
        assert await rig.find(seen.ref) is None
        await rig.containers.stop(seen.ref)
        await rig.containers.stop("never-there")

    async def test_a_second_start_of_a_game_takes_the_place_of_the_first(self, rig: Rig):
        spec = rig.spec()
        first = await rig.containers.start(spec)
        second = await rig.containers.start(rig.spec(spec.game_id))
        refs = [seen.ref for seen in await rig.containers.list() if seen.game_id == spec.game_id]
        assert refs == [second.ref]
        assert second.ref != first.ref
        assert second.endpoint is not None
        assert first.endpoint is not None
        assert second.endpoint.token != first.endpoint.token

    async def test_a_crash_is_told_and_seen(self, rig: Rig):
        seen = await rig.containers.start(rig.spec())
        expected, told = Death(seen.ref, seen.game_id), asyncio.Event()

        async def listen() -> None:
            async for death in rig.containers.deaths():
                if death == expected:
                    told.set()

        listening = asyncio.create_task(listen())
        try:
            # One pass of the loop brings it to its first wait; from there on the port promises every death.
            await asyncio.sleep(0)
            await rig.crash(seen)
            async with asyncio.timeout(10):
                await told.wait()
        finally:
            listening.cancel()
            await asyncio.wait([listening])
        dead = await rig.find(seen.ref)
        assert dead is not None
        assert not dead.running
        assert dead.endpoint is None
        await rig.containers.stop(seen.ref)
        assert await rig.find(seen.ref) is None

    async def test_several_engines_live_side_by_side(self, rig: Rig):
        started = await asyncio.gather(*(rig.containers.start(rig.spec()) for _ in range(3)))
        listed = {seen.ref for seen in await rig.containers.list() if seen.running}
        assert {seen.ref for seen in started} <= listed
        assert len({seen.endpoint.base_url for seen in started if seen.endpoint}) == 3

    async def test_an_image_that_is_there_is_fetched_without_more(self, rig: Rig):
        await rig.containers.fetch(rig.image, None)

    async def test_an_image_that_nobody_has_is_a_failure_where_images_matter(self, rig: Rig):
        absent = "galaxy/never-was:0.0.0"
        if rig.has_images:
            with pytest.raises((ImagePullFailed, ConfigInvalid)):
                await rig.containers.fetch(absent, None)
        else:
            await rig.containers.fetch(absent, None)

    async def test_last_words_of_nobody_are_empty(self, rig: Rig):
        assert await rig.containers.last_words("never-there") == ""
