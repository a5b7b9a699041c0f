"""A player whose commands take long: what they may hold, and that others never notice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
from pydantic import SecretStr

from galaxy.edge.v1 import edge_pb2
from gateway.app import Gateway
from gateway.settings import BackendSettings, LimitSettings
from gateway.tests.backend import TOKEN, FakeBackend
from gateway.tests.clients import PROTOCOLS, EdgeClient, Refused, edge_client
from gateway.tests.conftest import GatewayStarter, metric
from gateway.tests.player import Player
from kit.testing import eventually

pytestmark = pytest.mark.stores
_IN_FLIGHT = "gateway_commands_in_flight"
_TOO_MANY = "resource_exhausted: too_many_in_flight, 1000 ms"


@pytest.fixture
async def slow(backend: FakeBackend) -> AsyncIterator[asyncio.Event]:
    """Make the backend's player calls wait, and let those that wait go when the test ends."""
    backend.hold = hold = asyncio.Event()
    yield hold
    hold.set()


def before(backend: FakeBackend, **changes: object) -> BackendSettings:
    return BackendSettings.model_validate(
        {"http_url": backend.url, "token": SecretStr(TOKEN), "gateway_client_id": "gw-1", **changes}
    )


async def waiting(backend: FakeBackend, count: int) -> None:
    """Wait until the backend has been asked so often."""

    async def all_there() -> bool:
        return len(backend.calls) == count

    await eventually(all_there)


async def execute(client: EdgeClient, player: Player) -> str:
    """Return the result code, or the refusal with its reason."""
    try:
        return (await client.execute(player.command("user.account.get"))).result_code
    except Refused as refused:
        detail = refused.detail or edge_pb2.RefusalDetail()
        return f"{refused.code}: {detail.reason}, {detail.retry_after_ms} ms"


async def test_one_users_waiting_commands_neither_refuse_nor_delay_anothers(
    start_gateway: GatewayStarter, backend: FakeBackend, player: Player, slow: asyncio.Event
):
    gateway = await start_gateway(
        backend=before(backend, connections=4),
        limits=LimitSettings(session_in_flight_max=2, user_in_flight_max=3),
    )
    second_device = backend.admit(Player(user_id=player.user_id))
    other = backend.admit(Player())
    async with edge_client("connect-h2", gateway.addresses["edge"]) as client:
        slow_ones = [asyncio.ensure_future(execute(client, player)) for _ in range(2)]
        await waiting(backend, 2)
        assert await execute(client, player) == _TOO_MANY
        slow_ones.append(asyncio.ensure_future(execute(client, second_device)))
        await waiting(backend, 3)
        for device in (player, second_device):
            assert await execute(client, device) == _TOO_MANY
        backend.hold = None
        assert await execute(client, other) == "ok"
        assert not any(task.done() for task in slow_ones)
        slow.set()
        assert await asyncio.gather(*slow_ones) == ["ok"] * 3
        assert await execute(client, player) == "ok"


async def test_slow_commands_take_no_connection_from_lookups_and_sign_ins(
    start_gateway: GatewayStarter,
    backend: FakeBackend,
    player: Player,
    slow: asyncio.Event,
    http: aiohttp.ClientSession,
):
    gateway = await start_gateway(backend=before(backend, connections=1))
    other = backend.admit(Player())
    async with edge_client("connect-h2", gateway.addresses["edge"]) as client:
        hanging = [asyncio.ensure_future(execute(client, player)) for _ in range(3)]
        await waiting(backend, 1)

        async def all_under_way() -> bool:
            return await metric(http, gateway, _IN_FLIGHT) == 3

        await eventually(all_under_way)
        backend.hold = None
        async with asyncio.timeout(10):
            events = client.subscribe(other.subscription())
            assert (await anext(events)).event_type == "gateway.server_time"
            await events.aclose()  # type: ignore[attr-defined]
            sign_in = f"http://{gateway.addresses['public']}/api/v1/public/auth/send-email-code"
            async with http.post(sign_in, json={"email": "a@example.org"}) as answer:
                assert answer.status == 200
        assert not any(task.done() for task in hanging)
        slow.set()
        assert await asyncio.gather(*hanging) == ["ok"] * 3


@pytest.fixture
async def narrow(start_gateway: GatewayStarter, backend: FakeBackend) -> Gateway:
    """Start a gateway that lets a session have one command under way, and waits half a second for it."""
    return await start_gateway(
        backend=before(backend, timeout="500ms"), limits=LimitSettings(session_in_flight_max=1)
    )


async def test_an_answer_gives_the_place_back(narrow: Gateway, backend: FakeBackend, player: Player):
    body = {"error": {"code": "account.gone", "message": "gone", "details": {}, "request_id": "r"}}
    async with edge_client("connect-h1", narrow.addresses["edge"]) as client:
        assert await execute(client, player) == "ok"
        backend.answers["/api/v1/user/account"] = (409, body)
        assert await execute(client, player) == "account.gone"
        backend.answers.clear()
        assert await execute(client, player) == "ok"


async def test_an_error_gives_the_place_back(narrow: Gateway, backend: FakeBackend, player: Player):
    async with edge_client("connect-h1", narrow.addresses["edge"]) as client:
        backend.answers["/api/v1/user/account"] = (500, {"error": {"code": "internal", "message": "m"}})
        with pytest.raises(Refused, check=lambda r: r.code == "internal"):
            await client.execute(player.command("user.account.get"))
        with pytest.raises(Refused, check=lambda r: r.code == "unimplemented"):
            await client.execute(player.command("lobby.game.destroy"))
        backend.answers["/api/v1/user/account"] = (503, {})
        with pytest.raises(Refused, check=lambda r: r.code == "unavailable"):
            await client.execute(player.command("user.account.get"))
        backend.answers.clear()
        assert await execute(client, player) == "ok"


@pytest.mark.usefixtures("slow")
async def test_a_timeout_gives_the_place_back(narrow: Gateway, backend: FakeBackend, player: Player):
    async with edge_client("connect-h1", narrow.addresses["edge"]) as client:
        with pytest.raises(Refused, check=lambda r: r.code == "unavailable"):
            await client.execute(player.command("user.account.get"))
        backend.hold = None
        assert await execute(client, player) == "ok"


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("engine", ["httpunk", "zttp"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_client_that_goes_gives_the_place_back(
    start_gateway: GatewayStarter,
    backend: FakeBackend,
    player: Player,
    http: aiohttp.ClientSession,
    engine: str,
    protocol: str,
):
    gateway = await start_gateway(
        edge={"server": engine},
        backend=before(backend, timeout="10m"),
        limits=LimitSettings(session_in_flight_max=1),
    )
    async with edge_client(protocol, gateway.addresses["edge"]) as client:
        call = asyncio.ensure_future(client.execute(player.command("user.account.get")))
        await waiting(backend, 1)
        assert await metric(http, gateway, _IN_FLIGHT) == 1
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError, Refused):
            await call

        async def given_back() -> bool:
            return await metric(http, gateway, _IN_FLIGHT) == 0

        await eventually(given_back)
        backend.hold = None
        assert await execute(client, player) == "ok"
