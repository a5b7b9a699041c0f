"""The public listener is reached by strangers too: silence, crowds, endless heads and bodies that do not come."""

import asyncio
import contextlib

import aiohttp
import pytest

from gateway.settings import LimitSettings
from gateway.tests.conftest import GatewayStarter, metric
from gateway.tests.test_edge_guard import ENGINES, closed_by_server, hasty

pytestmark = pytest.mark.stores
SEND_CODE = "/api/v1/public/auth/send-email-code"
_HEAD_BYTES = 16 * 1024 * 1024


@ENGINES
@pytest.mark.parametrize(
    "opening", [b"", b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow"], ids=["silent", "half-a-head"]
)
async def test_a_silent_connection_to_the_public_listener_is_closed(
    start_gateway: GatewayStarter, engine: str, opening: bytes
):
    gateway = await start_gateway(edge=hasty(engine))
    host, port = gateway.addresses["public"].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(opening)
    await closed_by_server(reader)
    writer.close()


@ENGINES
async def test_an_endless_head_of_a_public_call_is_not_kept(start_gateway: GatewayStarter, engine: str):
    gateway = await start_gateway(edge={"server": engine})
    host, port = gateway.addresses["public"].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n")
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < _HEAD_BYTES:
            line = b"x-%d: " % sent + b"y" * 60_000 + b"\r\n"
            writer.write(line)
            await writer.drain()
            sent += len(line)
    assert sent < _HEAD_BYTES
    assert b" 200 " not in await closed_by_server(reader)
    writer.close()


@ENGINES
async def test_one_address_has_a_bounded_number_of_public_connections(
    start_gateway: GatewayStarter, http: aiohttp.ClientSession, engine: str
):
    gateway = await start_gateway(edge={"server": engine}, limits=LimitSettings(address_connections_max=2))
    host, port = gateway.addresses["public"].split(":")
    kept = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
    for _, writer in kept:
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
    for reader, _ in kept:
        assert (await reader.read(12)).startswith(b"HTTP/1.1 200")
    reader, writer = await asyncio.open_connection(host, int(port))
    assert await closed_by_server(reader) == b""
    assert await metric(http, gateway, "gateway_connections_refused_total") == 1
    for _, open_writer in [*kept, (reader, writer)]:
        open_writer.close()


@ENGINES
async def test_a_public_body_that_does_not_come_is_not_waited_for(start_gateway: GatewayStarter, engine: str):
    gateway = await start_gateway(edge=hasty(engine))
    host, port = gateway.addresses["public"].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST {SEND_CODE} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{{".encode()
    )
    assert (await closed_by_server(reader)).startswith(b"HTTP/1.1 408 ")
    writer.close()
