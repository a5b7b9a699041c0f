"""The port's suite over Docker, and what only containers do: labels, hardening, the network, images."""

import asyncio
import contextlib
import secrets
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import aiohttp
import docker
import pytest
import pytest_asyncio
import urllib3

from backend.runtime.adapters.docker import DockerContainers
from backend.runtime.adapters.docker.client import DockerClient
from backend.runtime.adapters.docker.containers import EngineContainers, Limits
from backend.runtime.adapters.docker.events import DeathEvents
from backend.runtime.adapters.docker.images import EngineImages
from backend.runtime.adapters.docker.labels import is_ours, label_filter, labels_of
from backend.runtime.adapters.docker.network import EngineNetwork
from backend.runtime.engine_client import EngineClients
from backend.runtime.errors import ConfigInvalid, ContainersAway, ImagePullFailed
from backend.runtime.model import ContainerSpec, PullPolicy, Seen
from backend.tests.runtime.containers_suite import ContainersSuite, Rig
from kit.ids import uuid7

STACK = "port-suite"


def adapter(
    network: str, stack_label: str, policy: PullPolicy = PullPolicy.NEVER, host: str = ""
) -> DockerContainers:
    client = DockerClient(host)
    return DockerContainers(
        client,
        EngineNetwork(client, network, stack_label),
        EngineImages(client, policy, timedelta(seconds=60)),
        EngineContainers(client, network, stack_label, Limits(memory_mib=256, cpus=1.0, stop_seconds=5)),
        DeathEvents(client, stack_label),
        owns_everything_seen=bool(stack_label),
    )


class SilentDaemon:
    """Answers as a daemon does up to a pull; of that it gives some lines, then nothing more, or breaks off."""

    def __init__(self) -> None:
        self.port = 0
        self.lines = 0
        self.breaks = False
        self.pulls = 0
        self.over = asyncio.Event()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if b"/images/create" in head:
                    await self._pull(writer)
                    break
                if b"/version" in head:
                    self._whole(writer, b"200 OK", b'{"ApiVersion": "1.43"}')
                else:
                    self._whole(writer, b"404 Not Found", b'{"message": "no such image"}')
                await writer.drain()
        writer.close()

    async def _pull(self, writer: asyncio.StreamWriter) -> None:
        self.pulls += 1
        if self.lines:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            line = b'{"status": "Pulling"}\r\n'
            for _ in range(self.lines):
                writer.write(b"%x\r\n%s\r\n" % (len(line), line))
            await writer.drain()
        if not self.breaks:
            await self.over.wait()

    @staticmethod
    def _whole(writer: asyncio.StreamWriter, status: bytes, body: bytes) -> None:
        writer.write(
            b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (status, len(body), body)
        )


@dataclass
class Daemon:
    """The daemon itself, to look behind the adapter, and a network name of the test's own."""

    api: docker.APIClient
    network: str


@pytest.fixture
def daemon(docker_engine: None):
    api = docker.APIClient(version="auto")
    name = f"galaxy-test-{secrets.token_hex(4)}"
    yield Daemon(api, name)
    for network in api.networks(names=[name]):
        for ref in api.inspect_network(network["Id"])["Containers"]:
            api.remove_container(ref, force=True)
        api.remove_network(network["Id"])
    api.close()


@pytest_asyncio.fixture
async def rig(daemon: Daemon, engine_image: str) -> AsyncIterator[Rig]:
    containers = adapter(daemon.network, f"{STACK}-{daemon.network}")
    await containers.prepare()

    async def crash(seen: Seen) -> None:
        daemon.api.kill(seen.ref)

    async with aiohttp.ClientSession() as session:
        clients = EngineClients(session, timedelta(seconds=10))
        yield Rig(containers, engine_image, clients.is_ready, crash)
    for seen in await containers.list():
        await containers.stop(seen.ref)
    await containers.close()


@pytest.mark.containers
class TestDockerContainers(ContainersSuite):
    pass


@pytest.mark.containers
async def test_an_engine_runs_hardened_and_labelled(rig: Rig, daemon: Daemon):
    """backend-runbook:33-37."""
    seen = await rig.containers.start(rig.spec())
    inspected = daemon.api.inspect_container(seen.ref)
    host = inspected["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["PidsLimit"] == 512
    assert host["Memory"] == host["MemorySwap"] == 256 * 1024 * 1024
    assert host["NanoCpus"] == 1_000_000_000
    assert list(host["Tmpfs"]) == ["/tmp"]  # noqa: S108 - inside the container
    assert host["LogConfig"]["Config"] == {"max-size": "5m", "max-file": "2"}
    assert not host["PortBindings"]
    labels = inspected["Config"]["Labels"]
    assert labels["galaxy.backend"] == "1"
    assert labels["galaxy.game_id"] == seen.game_id
    assert labels["galaxy.engine_version"] == "1.0.0"
    assert labels["org.opencontainers.image.title"] == "galaxy-game"
    assert labels["galaxy.stack"] == f"{STACK}-{daemon.network}"


@pytest.mark.containers
async def test_a_missing_network_is_created_without_a_way_out(rig: Rig, daemon: Daemon):
    """backend-runbook:62 backend-runbook:63 backend-runbook:64: the bridge is created if it is missing."""
    (network,) = daemon.api.networks(names=[daemon.network])
    assert network["Driver"] == "bridge"
    assert network["Internal"] is True


@pytest.mark.containers
async def test_another_backend_finds_the_running_engines_and_their_secrets(rig: Rig, daemon: Daemon):
    """A restarted backend knows nothing: labels and the container itself tell it all."""
    seen = await rig.containers.start(rig.spec())
    successor = adapter(daemon.network, f"{STACK}-{daemon.network}")
    try:
        (found,) = await successor.list()
        assert found.endpoint == seen.endpoint
    finally:
        await successor.close()


@pytest.mark.containers
async def test_containers_of_others_are_neither_seen_nor_touched(rig: Rig, daemon: Daemon):
    """A container without our labels, and one of another stack, stay as they are. backend-runbook:130-131."""
    host_config = daemon.api.create_host_config(network_mode=daemon.network)
    plain = daemon.api.create_container(rig.image, host_config=host_config)["Id"]
    theirs = daemon.api.create_container(
        rig.image, labels=labels_of("another-game", "1.0.0", "another-stack"), host_config=host_config
    )["Id"]
    try:
        assert await rig.containers.list() == []
        for ref in (plain, theirs):
            await rig.containers.stop(ref)
            assert daemon.api.inspect_container(ref)["Id"] == ref
    finally:
        for ref in (plain, theirs):
            daemon.api.remove_container(ref, force=True)


@pytest.mark.containers
async def test_without_a_stack_label_no_such_label_is_stamped(daemon: Daemon, engine_image: str):
    """An empty BACKEND_STACK_LABEL leaves the label off, and leaves labelled stacks alone.

    backend-runbook:38-40.
    """
    unlabelled = adapter(daemon.network, "")
    await unlabelled.prepare()
    seen = await unlabelled.start(ContainerSpec(uuid7(), "1.0.0", engine_image, "token"))
    try:
        assert "galaxy.stack" not in daemon.api.inspect_container(seen.ref)["Config"]["Labels"]
        assert unlabelled.owns_everything_seen is False
    finally:
        await unlabelled.stop(seen.ref)
        await unlabelled.close()


@pytest.mark.containers
async def test_pull_policies(rig: Rig, daemon: Daemon):
    """backend-runbook:132 backend-runbook:133 backend-runbook:134: `if_missing`, `always`, `never`."""
    never = adapter(daemon.network, STACK, PullPolicy.NEVER)
    missing = adapter(daemon.network, STACK, PullPolicy.IF_MISSING)
    always = adapter(daemon.network, STACK, PullPolicy.ALWAYS)
    try:
        await never.fetch(rig.image, None)
        await missing.fetch(rig.image, None)
        with pytest.raises(ImagePullFailed, match="pull policy is never"):
            await never.fetch("127.0.0.1:1/galaxy/absent:1", None)
        for pulling in (missing, always):
            with pytest.raises(ImagePullFailed, match="pull of"):
                await pulling.fetch("127.0.0.1:1/galaxy/absent:1", None)
        with pytest.raises(ConfigInvalid):
            await never.fetch("UPPER CASE", None)
    finally:
        for opened in (never, missing, always):
            await opened.close()


@pytest.mark.containers
async def test_an_image_of_another_digest_is_not_started(rig: Rig, daemon: Daemon):
    image_id = daemon.api.inspect_image(rig.image)["Id"]  # type: ignore[no-untyped-call]
    await rig.containers.fetch(rig.image, image_id)
    with pytest.raises(ImagePullFailed, match="digest"):
        await rig.containers.fetch(rig.image, f"sha256:{'0' * 64}")


async def test_no_daemon_is_a_failure_that_says_so():
    away = adapter("galaxy-none", STACK, host="tcp://127.0.0.1:1")
    try:
        with pytest.raises(ContainersAway):
            await away.list()
        with pytest.raises(ContainersAway):
            await away.prepare()
    finally:
        await away.close()


@pytest_asyncio.fixture
async def silent() -> AsyncIterator[SilentDaemon]:
    daemon = SilentDaemon()
    server = await asyncio.start_server(daemon.answer, "127.0.0.1", 0)
    daemon.port = server.sockets[0].getsockname()[1]
    yield daemon
    daemon.over.set()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("lines", [0, 1])
async def test_a_pull_that_goes_silent_ends_in_time_and_holds_no_thread(silent: SilentDaemon, lines: int):
    """Neither before the first line of progress nor after it."""
    silent.lines = lines
    client = DockerClient(f"tcp://127.0.0.1:{silent.port}")
    images = EngineImages(client, PullPolicy.ALWAYS, timedelta(seconds=0.5))
    try:
        async with asyncio.timeout(5):
            with pytest.raises(ImagePullFailed, match="not done within"):
                await images.fetch("registry.invalid/galaxy/game:1", None)
        assert silent.pulls == 1
        left = [thread for thread in threading.enumerate() if thread.name == "docker-apart"]
        assert all(thread.daemon for thread in left), "the end of the process does not wait for them"
        for thread in left:  # and their silence is bounded too
            await asyncio.to_thread(thread.join, 5)
            assert not thread.is_alive()
    finally:
        client.close()


async def test_a_daemon_that_ends_in_the_middle_of_a_pull_is_away(silent: SilentDaemon):
    silent.lines, silent.breaks = 1, True
    client = DockerClient(f"tcp://127.0.0.1:{silent.port}")
    images = EngineImages(client, PullPolicy.ALWAYS, timedelta(seconds=5))
    try:
        with pytest.raises(ContainersAway):
            await images.fetch("registry.invalid/galaxy/game:1", None)
    finally:
        client.close()


async def test_a_daemon_that_ends_in_the_middle_of_any_answer_is_away(silent: SilentDaemon):
    client = DockerClient(f"tcp://127.0.0.1:{silent.port}")

    def broken(api: docker.APIClient) -> None:
        raise urllib3.exceptions.ProtocolError("Connection broken")

    try:
        with pytest.raises(ContainersAway):
            await client.run(broken)
    finally:
        client.close()


def test_labels_with_and_without_a_stack():
    """The change that came with the backend runbook: the label is stamped from BACKEND_STACK_LABEL, and not when empty.

    backend-runbook:38-40.
    """
    assert labels_of("g", "1.0.0", "dev-deploy")["galaxy.stack"] == "dev-deploy"
    assert "galaxy.stack" not in labels_of("g", "1.0.0", "")
    assert label_filter("") == ["galaxy.backend=1"]
    assert label_filter("dev-deploy") == ["galaxy.backend=1", "galaxy.stack=dev-deploy"]
    assert is_ours(labels_of("g", "1.0.0", "a"), "a")
    assert not is_ours(labels_of("g", "1.0.0", "a"), "")
    assert not is_ours(labels_of("g", "1.0.0", ""), "a")
    assert not is_ours(None, "")
