"""The port's suite over engines as child processes, and what only they do."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from backend.runtime.adapters.process import ProcessContainers
from backend.runtime.engine_client import EngineClients, EngineRefused
from backend.runtime.errors import StartFailed
from backend.runtime.model import ContainerSpec, Seen
from backend.tests.runtime.containers_suite import ContainersSuite, Rig
from kit.testing import eventually

SPEC = ContainerSpec("0190a000-0000-7000-8000-000000000009", "1.0.0", "", "token-of-one-container")


def pid_of(seen: Seen) -> int:
    return int(seen.ref.split("-")[1])


def lives(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().split()[2] != "Z"


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


class TestProcessContainers(ContainersSuite):
    @pytest_asyncio.fixture
    async def rig(self, tmp_path: Path) -> AsyncIterator[Rig]:
        containers = ProcessContainers(tmp_path)
        await containers.prepare()

        async def crash(seen: Seen) -> None:
            os.kill(pid_of(seen), signal.SIGKILL)

        async with aiohttp.ClientSession() as session:
            clients = EngineClients(session, timedelta(seconds=10))
            yield Rig(containers, "unused", clients.is_ready, crash, has_images=False)
        await containers.close()


@pytest_asyncio.fixture
async def containers(tmp_path: Path) -> AsyncIterator[ProcessContainers]:
    opened = ProcessContainers(tmp_path, boot_timeout=timedelta(seconds=20))
    await opened.prepare()
    yield opened
    await opened.close()


async def test_each_engine_wants_its_own_token(containers: ProcessContainers):
    first = await containers.start(SPEC)
    assert first.endpoint is not None
    async with aiohttp.ClientSession() as session:
        clients = EngineClients(session, timedelta(seconds=10))
        assert (await clients.of(first.endpoint).info())["engine"]
        stranger = clients.of(type(first.endpoint)(first.endpoint.base_url, "another-token"))
        with pytest.raises(EngineRefused, match="unauthorized"):
            await stranger.info()


async def test_the_engine_sees_nothing_of_our_environment(containers: ProcessContainers, monkeypatch):
    monkeypatch.setenv("BACKEND_POSTGRES_DSN", "postgres://secret")
    seen = await containers.start(SPEC)
    environment = environment_of(pid_of(seen))
    assert b"BACKEND_" not in environment
    assert b"ENGINE_TOKEN=token-of-one-container" in environment


async def test_an_engine_that_cannot_boot_is_a_failure_with_its_last_words(tmp_path: Path):
    complaining = ProcessContainers(
        tmp_path, command=(sys.executable, "-c", "import sys; sys.exit('no such galaxy')")
    )
    with pytest.raises(StartFailed, match="no such galaxy"):
        await complaining.start(SPEC)
    assert await complaining.list() == []


async def test_an_engine_that_never_gets_ready_is_killed_at_the_boot_timeout(tmp_path: Path):
    deaf = ProcessContainers(
        tmp_path,
        boot_timeout=timedelta(seconds=0.5),
        stop_timeout=timedelta(seconds=0.5),
        command=(
            sys.executable,
            "-c",
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
        ),
    )
    with pytest.raises(StartFailed, match="not ready within"):
        await deaf.start(SPEC)
    assert await deaf.list() == []


async def test_the_log_never_outgrows_its_cap(tmp_path: Path):
    chatty = ProcessContainers(
        tmp_path,
        log_bytes_max=50_000,
        command=(
            sys.executable,
            "-c",
            "print('x' * 99 + '\\n', end='') or [print('y' * 99) for _ in range(5000)]",
        ),
    )
    with pytest.raises(StartFailed):
        await chatty.start(SPEC)
    sizes = {path.name: path.stat().st_size for path in (tmp_path / SPEC.game_id).iterdir()}
    assert set(sizes) == {"engine.log", "engine.log.1"}
    assert max(sizes.values()) <= 50_000


async def test_engines_die_with_the_backend(tmp_path: Path):
    """A child asks the kernel for its end with ours; SIGKILL of the parent leaves no engine behind."""
    script = (
        "import asyncio, pathlib, sys\n"
        "from backend.runtime.adapters.process import ProcessContainers\n"
        "from backend.runtime.model import ContainerSpec\n"
        "async def main():\n"
        "    containers = ProcessContainers(pathlib.Path(sys.argv[1]))\n"
        "    seen = await containers.start(ContainerSpec('game', '1.0.0', '', 'token'))\n"
        "    print(seen.ref, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    async with asyncio.timeout(30):
        engine_pid = int((await parent.stdout.readline()).split(b"-")[1])
    assert lives(engine_pid)
    parent.kill()
    await parent.wait()

    async def gone() -> bool:
        return not lives(engine_pid)

    await eventually(gone, 15)
