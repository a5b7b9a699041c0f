"""The port's suite over the adapter in memory, so that tests above it may trust it."""

from collections.abc import AsyncIterator

import pytest_asyncio

from backend.runtime.adapters.memory import MemoryContainers
from backend.runtime.model import Endpoint, Seen
from backend.tests.runtime.containers_suite import ContainersSuite, Rig


class TestMemoryContainers(ContainersSuite):
    @pytest_asyncio.fixture
    async def rig(self) -> AsyncIterator[Rig]:
        containers = MemoryContainers()

        async def answers(endpoint: Endpoint) -> bool:
            return any(seen.endpoint == endpoint for seen in await containers.list())

        async def crash(seen: Seen) -> None:
            containers.kill(seen.ref)

        yield Rig(containers, "galaxy/game:1.0.0", answers, crash)
        await containers.close()
