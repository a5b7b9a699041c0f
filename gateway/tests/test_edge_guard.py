"""What stands ahead of the pipeline: silence, slowness, crowds, half-open peers, browsers, leaks."""

import asyncio
import contextlib
import socket
import time

import aiohttp
import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError

from galaxy.edge.v1.edge_connect import EdgeServiceClient
from gateway.app import build
from gateway.edge.interceptors import DefectsStayInside
from gateway.edge.listener import EdgeListener
from gateway.edge.patience import ConnectionPatience
from gateway.limits.connections import ConnectionGuard
from gateway.settings import EdgeSettings, LimitSettings
from gateway.tests.backend import FakeBackend
from gateway.tests.clients import Refused, edge_client
from gateway.tests.conftest import GatewayStarter, SettingsMaker, metric
from gateway.tests.player import Player

pytestmark = pytest.mark.stores
ENGINES = pytest.mark.parametrize("engine", ["httpunk", "zttp"])
COMMAND = "/galaxy.edge.v1.EdgeService/ExecuteCommand"
HASTY = {
    "first_request_timeout": "200ms",
    "header_timeout": "200ms",
    "body_timeout": "200ms",
    "idle_timeout": "300ms",
    "send_timeout": "300ms",
}


def hasty(engine: str) -> EdgeSettings:
    return EdgeSettings.model_validate({**HASTY, "server": engine})


async def closed_by_server(reader: asyncio.StreamReader) -> bytes:
    """Read until the server ends the connection."""
    received = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(5):
            while chunk := await reader.read(65536):
                received += chunk
    return received


@ENGINES
@pytest.mark.parametrize(
    "opening",
    [
        b"",
        b"PRI * HT",
        b"POST /galaxy",
        b"POST / HTTP/1.1\r\nhost: x\r\nx-slow",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    ],
    ids=["silent", "half-a-preface", "half-a-line", "half-a-head", "h2-without-a-request"],
)
async def test_a_connection_that_never_asks_anything_is_closed(
    start_gateway: GatewayStarter, http: aiohttp.ClientSession, engine: str, opening: bytes
):
    gateway = await start_gateway(edge=hasty(engine))
    host, port = gateway.addresses["edge"].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(opening)
    await closed_by_server(reader)
    writer.close()
    assert await metric(http, gateway, "gateway_connections_open") == 0


@ENGINES
async def test_a_later_head_has_its_time_and_an_idle_connection_a_longer_one(
    start_gateway: GatewayStarter, http: aiohttp.ClientSession, engine: str
):
    patience = HASTY | {"server": engine, "header_timeout": "100ms", "idle_timeout": "1s"}
    gateway = await start_gateway(edge=EdgeSettings.model_validate(patience))
    host, port = gateway.addresses["edge"].split(":")
    lasted = {}
    for name, more in (("idle", b""), ("slow", b"GET / HT")):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await reader.read(12)).startswith(b"HTTP/1.1 404")
        began = time.monotonic()
        writer.write(more)
        await closed_by_server(reader)
        lasted[name] = time.monotonic() - began
        writer.close()
    assert lasted["slow"] < 0.9 <= lasted["idle"]


@ENGINES
async def test_a_body_that_does_not_come_is_not_waited_for(start_gateway: GatewayStarter, engine: str):
    gateway = await start_gateway(edge=hasty(engine))
    host, port = gateway.addresses["edge"].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST {COMMAND} HTTP/1.1\r\nhost: x\r\ncontent-type: application/proto\r\ncontent-length: 50\r\n\r\nabc".encode()
    )
    await closed_by_server(reader)
    writer.close()


@ENGINES
async def test_an_address_has_a_bounded_number_of_connections(
    start_gateway: GatewayStarter, http: aiohttp.ClientSession, engine: str
):
    gateway = await start_gateway(edge={"server": engine}, limits=LimitSettings(address_connections_max=2))
    host, port = gateway.addresses["edge"].split(":")
    kept = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
    for _, writer in kept:
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    for reader, _ in kept:
        assert (await reader.read(12)).startswith(b"HTTP/1.1 404")
    reader, writer = await asyncio.open_connection(host, int(port))
    assert await closed_by_server(reader) == b""
    assert await metric(http, gateway, "gateway_connections_refused_total") == 1
    for _, open_writer in [*kept, (reader, writer)]:
        open_writer.close()


def test_connections_inherit_the_options_that_notice_half_open_peers():
    guard = ConnectionGuard(1, 1, lambda _: False, lambda _: None)

    async def app(scope: object, receive: object, send: object) -> None:
        raise AssertionError

    listener = EdgeListener("edge", app, "127.0.0.1:0", "httpunk", guard, ConnectionPatience(1, 1, 1), 1.0)
    listener.bind()
    bound = listener._socket
    assert bound is not None
    with socket.create_connection(bound.getsockname()) as client:
        for _ in range(100):
            with contextlib.suppress(BlockingIOError):
                accepted, _ = bound.accept()
                break
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 5
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 2
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 3
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
        client.close()
    bound.close()


@ENGINES
async def test_web_clients_of_known_origins_may_call(
    start_gateway: GatewayStarter, http: aiohttp.ClientSession, engine: str
):
    gateway = await start_gateway(edge={"server": engine}, cors_origins=("https://play.example.org",))
    for listener, path in (("edge", COMMAND), ("public", "/api/v1/public/keys")):
        url = f"http://{gateway.addresses[listener]}{path}"
        asked = {
            "Origin": "https://play.example.org",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        }
        async with http.options(url, headers=asked) as answer:
            assert answer.status == 200
            assert answer.headers["Access-Control-Allow-Origin"] == "https://play.example.org"
        async with http.options(url, headers={**asked, "Origin": "https://elsewhere.example.org"}) as answer:
            assert "Access-Control-Allow-Origin" not in answer.headers


@ENGINES
async def test_native_grpc_over_http1_is_refused_plainly(
    start_gateway: GatewayStarter, http: aiohttp.ClientSession, engine: str
):
    gateway = await start_gateway(edge={"server": engine})
    url = f"http://{gateway.addresses['edge']}{COMMAND}"
    async with http.post(url, data=b"\0\0\0\0\0", headers={"Content-Type": "application/grpc"}) as answer:
        assert answer.status == 505


@ENGINES
async def test_compressed_requests_are_read_and_answers_are_plain(
    start_gateway: GatewayStarter, player: Player, http: aiohttp.ClientSession, engine: str
):
    """The stock Python client compresses by default and asks for compressed answers."""
    gateway = await start_gateway(edge={"server": engine})
    async with EdgeServiceClient(f"http://{gateway.addresses['edge']}") as client:
        request = player.command("lobby.game.create", {"name": "x" * 5000})
        assert (await client.execute_command(request)).result_code == "ok"
    body = player.command("user.account.get").SerializeToString()
    url = f"http://{gateway.addresses['edge']}{COMMAND}"
    headers = {"Content-Type": "application/proto", "Accept-Encoding": "gzip"}
    async with http.post(url, data=body, headers=headers) as answer:
        assert answer.status == 200
        assert answer.headers.get("Content-Encoding", "identity") == "identity"


async def test_an_unknown_error_leaves_as_internal_without_its_text(player: Player):
    class Method:
        name = "ExecuteCommand"

    class Context:
        method = Method()

    async def broken(_: object, __: object) -> None:
        raise RuntimeError("a table name nobody should see")

    with pytest.raises(ConnectError) as error:
        await DefectsStayInside().intercept_unary(broken, None, Context())  # type: ignore[arg-type]
    assert error.value.code is Code.INTERNAL
    assert "table" not in error.value.message

    async def refusing(_: object, __: object) -> None:
        raise ConnectError(Code.NOT_FOUND, "as it is")

    with pytest.raises(ConnectError, match="as it is"):
        await DefectsStayInside().intercept_unary(refusing, None, Context())  # type: ignore[arg-type]


@ENGINES
async def test_a_client_that_takes_nothing_is_cut_off(
    start_gateway: GatewayStarter,
    backend: FakeBackend,
    player: Player,
    http: aiohttp.ClientSession,
    engine: str,
):
    """A stuck client is let go: by the send timeout, and by the kernel where the engine has buffered the whole answer."""
    backend.answers["/api/v1/user/games"] = (200, {"filler": "x" * 30_000_000})
    gateway = await start_gateway(edge=hasty(engine))
    host, port = gateway.addresses["edge"].split(":")
    _, writer = await asyncio.open_connection(host, int(port), limit=1024)
    body = player.command("lobby.game.list").SerializeToString()
    writer.write(
        f"POST {COMMAND} HTTP/1.1\r\nhost: x\r\ncontent-type: application/proto\r\n"
        f"content-length: {len(body)}\r\n\r\n".encode()
        + body
    )
    async with asyncio.timeout(20):
        while await metric(http, gateway, "gateway_connections_open") == 0:
            await asyncio.sleep(0.01)
        while await metric(http, gateway, "gateway_connections_open") == 1:
            await asyncio.sleep(0.05)
    writer.transport.abort()


@ENGINES
async def test_many_calls_pass_one_connection(start_gateway: GatewayStarter, player: Player, engine: str):
    """Past the number of streams after which zttp's connections must be renewed."""
    gateway = await start_gateway(
        edge={"server": engine},
        limits=LimitSettings(address_rate=1e6, address_burst=10**6, session_rate=1e6, session_burst=10**6),
        routes=(),
    )
    failures = 0
    async with edge_client("connect-h2", gateway.addresses["edge"]) as client:
        for _ in range(42):
            answers = await asyncio.gather(
                *(
                    client.execute(player.command("a.b", after={"protocol_version": "v0"}))
                    for _ in range(100)
                ),
                return_exceptions=True,
            )
            failures += sum(getattr(answer, "code", "") != "failed_precondition" for answer in answers)
    assert failures == 0


@ENGINES
async def test_a_stop_keeps_to_its_budget(
    make_settings: SettingsMaker, backend: FakeBackend, player: Player, engine: str
):
    """gateway-runbook-latest:69-71 and gateway-runbook-redis-streams:30 each component has the budget of the setting.

    gateway-runbook-latest:80-81 and gateway-runbook-redis-streams:37: more than that would be worth a look.
    """
    backend.hold = asyncio.Event()
    context = build(make_settings(edge={"server": engine}, shutdown_timeout="300ms"))
    gateway = await context.__aenter__()
    async with edge_client("connect-h2", gateway.addresses["edge"]) as client:
        stuck = asyncio.ensure_future(client.execute(player.command("user.account.get")))
        async with asyncio.timeout(10):
            await backend.held.wait()
        async with asyncio.timeout(4):
            await context.__aexit__(None, None, None)
        with pytest.raises(Refused):
            await asyncio.wait_for(stuck, 5)
    backend.hold.set()
