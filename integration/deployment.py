"""The shared environment, deployed by compose as an operator does it: `deploy/compose/stack.sh dev-deploy up`."""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
import orjson

from deploy.embedded.spec import REPOSITORY
from kit.testing import eventually

_SCRIPT = REPOSITORY / "deploy" / "compose" / "stack.sh"
_DEPLOY_SECONDS = 240
_SERVICE_LABEL = "com.docker.compose.service"
# Address → service and its port in the container.
_PORTS = {"gateway.public": ("gateway", "8080/tcp"), "gateway.edge": ("gateway", "9090/tcp")}


@dataclass(frozen=True)
class Relay:
    """A mail catcher that containers reach at the host's address on the default bridge."""

    host: str
    smtp_port: int
    url: str


@asynccontextmanager
async def caught_mail(folder: Path) -> AsyncIterator[Relay]:
    """Play the relay of a deployment for as long as the context lasts."""
    with _docker() as client:
        host = client.networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"]
    ready = folder / "catcher.json"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.embedded.mailcatcher", "--ready-file", str(ready)),
        cwd=REPOSITORY,
        env={
            "MAILCATCHER_HTTP_ADDR": "127.0.0.1:0",
            "MAILCATCHER_SMTP_ADDR": f"{host}:0",
            "MAILCATCHER_FOLDER": str(folder / "mailbox"),
        },
    )
    try:

        async def listens() -> bool:
            assert process.returncode is None, "the mail catcher ended at its start"
            return ready.exists()

        await eventually(listens)
        said = orjson.loads(ready.read_bytes())
        yield Relay(host, int(said["smtp"].rpartition(":")[2]), f"http://{said['http']}")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


class Deployment:
    """One dev-deploy stack under a name of its own; ports are the Docker Engine's choice, anew with each container."""

    def __init__(self, folder: Path, relay: Relay, tag: str) -> None:
        """`tag` is that of the images; they are built at each deployment, from the cache where nothing changed."""
        self.name = f"test-{secrets.token_hex(4)}"
        self._relay = relay
        self._variables = {
            "GALAXY_DOCKER_HOME": str(folder),
            "GALAXY_STACK_NAME": self.name,
            "GALAXY_TAG": tag,
            "GALAXY_PUBLIC_URL": "https://galaxy.example",
            "GALAXY_ADMIN_EMAIL": "operator@galaxy.example",
            "GALAXY_SMTP_HOST": relay.host,
            "GALAXY_SMTP_PORT": str(relay.smtp_port),
            "GALAXY_SMTP_TLS_MODE": "none",
            "GALAXY_SMTP_FROM": "Galaxy <no-reply@galaxy.example>",
            **{f"GALAXY_{port}_PORT": "0" for port in ("PUBLIC", "EDGE", "METRICS", "OPERATOR")},
        }

    async def up(self, **changed: str) -> None:
        """Deploy what stands in the checkout; `changed` variables hold from now on."""
        self._variables |= changed
        await self._run("up")

    async def clean(self) -> None:
        """Remove the stack with its engines and its data, and the images that were built for it alone."""
        await self._run("clean")
        with _docker() as client:
            for image in client.images.list():
                for tag in image.tags:
                    if self.name in tag:
                        client.images.remove(tag)

    def url(self, address: str) -> str:
        """Return where an address of the stack is reached now, as `Stack.url` does."""
        if address == "mailcatcher.http":
            return self._relay.url
        service, port = _PORTS[address]
        with _docker() as client:
            ports = client.containers.get(self.containers()[service]).ports[port] or []
        return f"http://127.0.0.1:{ports[0]['HostPort']}"

    def containers(self) -> dict[str, str]:
        """Return service → container id of what runs."""
        wanted: dict[str, str | list[str] | bool] = {"label": [f"galaxy.stack={self.name}", _SERVICE_LABEL]}
        with _docker() as client:
            return {
                container.labels[_SERVICE_LABEL]: str(container.id)
                for container in client.containers.list(filters=wanted)
            }

    def engines(self) -> set[str]:
        """Return the ids of the stack's running engines."""
        wanted: dict[str, str | list[str] | bool] = {
            "label": [f"galaxy.stack={self.name}", "org.opencontainers.image.title=galaxy-game"]
        }
        with _docker() as client:
            return {str(container.id) for container in client.containers.list(filters=wanted)}

    async def _run(self, command: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *(str(_SCRIPT), "dev-deploy", command),
            env={**os.environ, **self._variables},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(_DEPLOY_SECONDS):
            said = (await process.communicate())[0].decode()
        assert process.returncode == 0, said


@contextmanager
def _docker() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    try:
        yield client
    finally:
        client.close()
