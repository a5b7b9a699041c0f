"""The engine's image under the limits that the backend's docker adapter sets: a read-only root and no rights at all."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from uuid import uuid4

import docker
import pytest
from docker.models.containers import Container

pytestmark = pytest.mark.containers

REPOSITORY = Path(__file__).resolve().parents[2]
TOKEN = "token-of-this-test"
GAME = {
    "game_id": "game-1",
    "seed": "sol",
    "players": [
        {"player_id": "p1", "race_name": "Terrans"},
        {"player_id": "p2", "race_name": "Vegans"},
    ],
}


@pytest.fixture
def container(engine_image: str) -> Iterator[Container]:
    """An engine's container, hardened, its port published on the loopback interface."""
    client = docker.from_env(timeout=60)
    running = client.containers.run(
        engine_image,
        detach=True,
        environment={"ENGINE_TOKEN": TOKEN},
        labels={"galaxy.stack": "test-engine-image"},
        ports={"8080/tcp": ("127.0.0.1", 0)},
        read_only=True,
        tmpfs={"/tmp": "size=16m,noexec,nosuid"},  # noqa: S108 - inside the container
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        pids_limit=512,
        mem_limit="256m",
    )
    try:
        yield running
    finally:
        running.remove(force=True)
        client.close()


def test_image_is_named_ours_and_runs_without_root(engine_image: str) -> None:
    client = docker.from_env()
    image = client.images.get(engine_image)
    assert image.labels["org.opencontainers.image.title"] == "galaxy-game"
    assert image.attrs["Config"]["User"] == "10001:10001"
    client.close()


def test_image_holds_the_engine_and_nothing_else_of_the_platform(engine_image: str) -> None:
    client = docker.from_env()
    listing = client.containers.run(engine_image, entrypoint=["ls", "/srv/galaxy"], remove=True)
    assert listing.split() == [b"engine"]
    client.close()


def test_turn_in_the_hardened_container_gives_the_bytes_of_a_bare_process(
    container: Container, tmp_path: Path
) -> None:
    _wait_until_healthy(container)
    container.reload()
    published = container.ports["8080/tcp"]
    assert published
    in_container = _play_one_turn("127.0.0.1", int(published[0]["HostPort"]))

    ready = tmp_path / "ready.json"
    with subprocess.Popen(
        [sys.executable, "-m", "engine", "--ready-file", str(ready), "--die-with-parent"],
        env={**os.environ, "ENGINE_TOKEN": TOKEN, "ENGINE_LISTEN_ADDR": "127.0.0.1:0"},
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
    ) as process:
        try:
            host, _, port = _wait_for_ready_file(ready, process).rpartition(":")
            bare = _play_one_turn(host, int(port))
        finally:
            process.terminate()
    assert in_container == bare


def test_stopped_container_leaves_with_zero_at_once(container: Container) -> None:
    _wait_until_healthy(container)
    container.stop(timeout=10)
    assert container.wait(timeout=10)["StatusCode"] == 0


def _play_one_turn(host: str, port: int) -> tuple[dict[str, Any], str]:
    """The game's summary after turn 1 and the digest of its save."""
    assert _call(host, port, "PUT", "/v1/game", GAME)[0] == 201
    orders = [{"player_id": player, "orders": None, "final": True} for player in ("p1", "p2")]
    assert _call(host, port, "POST", "/v1/turns/1", {"request_id": "turn-1", "orders": orders})[0] == 200
    summary = json.loads(_call(host, port, "GET", "/v1/game")[1])
    assert summary["turn"] == 1
    return summary, hashlib.sha256(_call(host, port, "GET", "/v1/save")[1]).hexdigest()


def _call(host: str, port: int, method: str, path: str, body: object = None) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    with closing(HTTPConnection(host, port, timeout=30)) as connection:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, response.read()


def _wait_until_healthy(container: Container) -> None:
    """Ask from inside until the engine answers; each question waits for the answer to the one before."""
    question = (
        "import time, urllib.request\n"
        "for _ in range(300):\n"
        "    try:\n"
        "        urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=2)\n"
        "        break\n"
        "    except OSError:\n"
        "        time.sleep(0.1)\n"
        "else:\n"
        "    raise SystemExit('no answer')\n"
    )
    answer = container.exec_run(["python", "-c", question])
    assert answer.exit_code == 0, f"{answer.output!r} {container.logs()!r}"


def _wait_for_ready_file(path: Path, process: "subprocess.Popen[bytes]") -> str:
    """The address that the engine bound, once it has published it."""
    deadline = time.monotonic() + 30
    while not path.exists():
        assert process.poll() is None, "the engine ended"
        assert time.monotonic() < deadline, "the engine is not ready"
        time.sleep(0.02)
    return str(json.loads(path.read_text(encoding="utf-8"))["http"])


@pytest.fixture
def tag() -> Iterator[str]:
    """A tag of this test alone, so that the session's own image stays and tests may run side by side."""
    own = f"rebuild-{uuid4().hex[:8]}"
    yield own
    client = docker.from_env()
    if client.images.list(f"galaxy/game:{own}"):
        client.images.remove(f"galaxy/game:{own}", force=True)
    client.close()


@pytest.mark.usefixtures("engine_image")
def test_a_second_build_comes_from_the_layer_cache(tag: str) -> None:
    """backend-runbook:180-182: only the first build costs time."""
    assert _build(tag) == _build(tag)


@pytest.mark.usefixtures("engine_image")
def test_a_removed_image_is_built_anew(tag: str) -> None:
    """backend-runbook:169-172: throwing the test's image away is how it is renewed."""
    _build(tag)
    client = docker.from_env()
    client.images.remove(f"galaxy/game:{tag}", force=True)
    assert not client.images.list(f"galaxy/game:{tag}")
    client.close()
    assert _build(tag)


def _build(tag: str) -> str:
    """Build the engine's image under `tag` and return its id."""
    subprocess.run(
        [REPOSITORY / "deploy" / "docker" / "build.sh", "engine"],
        env={**os.environ, "TAG": tag},
        check=True,
        capture_output=True,
        timeout=300,
    )
    client = docker.from_env()
    identifier = client.images.get(f"galaxy/game:{tag}").id
    client.close()
    return str(identifier)
