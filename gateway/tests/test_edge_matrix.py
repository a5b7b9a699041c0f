"""Protocol × HTTP version × engine × what can happen: both engines must pass all of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from galaxy.edge.v1 import edge_pb2
from galaxy.push.v1 import push_pb2
from gateway.app import Gateway, build
from gateway.settings import PushSettings
from gateway.tests.backend import FakeBackend, FakePush
from gateway.tests.clients import PROTOCOLS, EdgeClient, Refused, edge_client
from gateway.tests.conftest import PushGatewayStarter, SettingsMaker, metric
from gateway.tests.player import Player, verify_event, verify_response
from kit.testing import eventually

pytestmark = pytest.mark.stores
ENGINES = ("httpunk", "zttp")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def gateway(start_gateway_with_push: PushGatewayStarter, push: FakePush, engine: str) -> Gateway:
    return await start_gateway_with_push(push, edge={"server": engine})


@pytest.fixture
async def client(gateway: Gateway, protocol: str) -> AsyncIterator[EdgeClient]:
    async with edge_client(protocol, gateway.addresses["edge"]) as opened:
        yield opened


async def test_unary(client: EdgeClient, player: Player, signer_key: Ed25519PrivateKey):
    """gateway-runtime:47-50 and gateway-runbook-latest:3-6 one cleartext port serves Connect, gRPC and gRPC-Web.

    gateway-runbook-latest:8-10 the same stages serve all of them; gateway-runtime:10-11, gateway-runtime:13.
    gateway-runtime:49-50.
    """
    request = player.command("lobby.game.create", {"name": "Sol", "race_name": "Terrans"})
    response = await client.execute(request)
    verify_response(signer_key.public_key(), request, response)
    assert orjson.loads(orjson.loads(response.payload_bytes)["body"]) == {
        "name": "Sol",
        "race_name": "Terrans",
    }


async def test_unary_refusal_carries_its_detail(client: EdgeClient, player: Player):
    with pytest.raises(Refused) as refused:
        await client.execute(player.command("user.account.get", protocol_version="v2"))
    assert refused.value.code == "failed_precondition"
    assert refused.value.detail is not None
    assert refused.value.detail.reason == "unsupported_protocol_version"


async def test_a_large_payload_and_answer_pass_whole(client: EdgeClient, player: Player):
    text = "x" * 900_000
    request = player.command(
        "play.orders.put", {"game_id": "g", "turn": 1, "orders": {"format": "text", "text": text}}
    )
    response = await client.execute(request)
    body = orjson.loads(orjson.loads(response.payload_bytes)["body"])
    assert body == {"turn": 1, "orders": {"format": "text", "text": text}}


async def test_a_message_too_large_to_be_read_is_refused_with_the_limit(
    client: EdgeClient, player: Player, gateway: Gateway, http: aiohttp.ClientSession
):
    for send in (
        lambda: client.execute(player.command("play.orders.put", b"x" * 1_100_000)),
        lambda: anext(client.subscribe(player.subscription(b"x" * 1_100_000))),
    ):
        with pytest.raises(Refused) as refused:
            await send()
        assert refused.value.code == "resource_exhausted"
        assert refused.value.message == (
            "the request is too large: at most 1056768 bytes are read, payload and all"
        )
        assert refused.value.detail is not None
        assert (refused.value.detail.reason, refused.value.detail.retry_after_ms) == ("payload_too_large", 0)
    labels = {"stage": "connection_guard", "reason": "payload_too_large"}
    assert await metric(http, gateway, "gateway_pipeline_refusals_total", **labels) == 2


async def test_stream(client: EdgeClient, player: Player, push: FakePush, signer_key: Ed25519PrivateKey):
    """gateway-runbook-latest:101-102 the first event of a stream is gateway.server_time.

    gateway-runbook-latest:8-10, gateway-runtime:13.
    """
    request = player.subscription()
    events = client.subscribe(request)
    first = await anext(events)
    assert first.event_type == "gateway.server_time"
    verify_event(signer_key.public_key(), player.device_session_id, request.request_id, first)
    await push.tell(player.user_id, "e1", b'{"n":1}')
    await push.tell("someone-else", "e2")
    await push.tell(player.user_id, "e3")
    second = await anext(events)
    third = await anext(events)
    assert [second.event_id, third.event_id] == ["e1", "e3"]
    assert second.payload_bytes == b'{"n":1}'
    verify_event(signer_key.public_key(), player.user_id, second.cursor, second)
    await events.aclose()  # type: ignore[attr-defined]


async def test_stream_error_before_the_first_message(
    client: EdgeClient, player: Player, backend: FakeBackend
):
    backend.revoke(player)
    with pytest.raises(Refused) as refused:
        await anext(client.subscribe(player.subscription()))
    assert (refused.value.code, refused.value.message) == ("failed_precondition", "device session is revoked")


async def test_stream_error_after_the_first_message(client: EdgeClient, player: Player, push: FakePush):
    """gateway-runbook-latest:97 streams of a revoked session close with FAILED_PRECONDITION; gateway-runbook-latest:115."""
    events = client.subscribe(player.subscription())
    await anext(events)
    await push.emit(
        session_invalidation=push_pb2.SessionInvalidation(
            device_session_id=player.device_session_id, reason="revoked_by_user"
        )
    )
    with pytest.raises(Refused) as refused:
        await anext(events)
    assert (refused.value.code, refused.value.message) == ("failed_precondition", "device session is revoked")


async def test_cancelled_stream_leaves_the_hub(
    client: EdgeClient, player: Player, gateway: Gateway, http: aiohttp.ClientSession
):
    """gateway-runbook-latest:120-121 and gateway-runbook-redis-streams:62 the client's own end is told as such."""
    events = client.subscribe(player.subscription())
    await anext(events)
    assert await metric(http, gateway, "gateway_push_streams") == 1
    await events.aclose()  # type: ignore[attr-defined]

    async def gone() -> bool:
        return await metric(http, gateway, "gateway_push_streams") == 0

    await eventually(gone)
    assert await metric(http, gateway, "gateway_push_streams_closed_total", reason="client_gone") == 1


async def test_cancelled_command_ends_the_wait_for_the_backend(
    client: EdgeClient, player: Player, backend: FakeBackend, gateway: Gateway
):
    backend.hold = asyncio.Event()
    call = asyncio.ensure_future(client.execute(player.command("user.account.get")))
    async with asyncio.timeout(10):
        await backend.held.wait()
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError, Refused):
        await call
    backend.hold = None
    assert (await client.execute(player.command("user.account.get"))).result_code == "ok"


async def test_shutdown_ends_streams_and_finishes_commands(
    make_settings: SettingsMaker, backend: FakeBackend, player: Player, engine: str, protocol: str
):
    """gateway-runbook-latest:74-75 active streams terminate with UNAVAILABLE `gateway is shutting down`.

    gateway-runbook-latest:119, gateway-runbook-redis-streams:33, gateway-runbook-redis-streams:61.
    """
    other = backend.admit(Player())
    gateway_context = build(make_settings(edge={"server": engine}))
    gateway = await gateway_context.__aenter__()
    async with edge_client(protocol, gateway.addresses["edge"]) as client:
        events = client.subscribe(player.subscription())
        await anext(events)
        backend.hold = asyncio.Event()
        command = asyncio.ensure_future(client.execute(other.command("user.account.get")))
        async with asyncio.timeout(10):
            await backend.held.wait()
        stop = asyncio.ensure_future(gateway_context.__aexit__(None, None, None))
        with pytest.raises(Refused) as refused:
            await anext(events)
        assert (refused.value.code, refused.value.message) == ("unavailable", "gateway is shutting down")
        backend.hold.set()
        assert (await command).result_code == "ok"
    async with asyncio.timeout(5):
        await stop


async def test_overflow_is_a_contiguous_prefix_and_then_its_status(
    start_gateway_with_push: PushGatewayStarter,
    push: FakePush,
    player: Player,
    backend: FakeBackend,
    engine: str,
    protocol: str,
):
    """gateway-runbook-latest:117 a stream that does not keep up ends alone, with RESOURCE_EXHAUSTED.

    gateway-runbook-latest:123 an overflow concerns its own stream; others never notice.
    gateway-runbook-redis-streams:60, gateway-runbook-redis-streams:63.
    """
    healthy = backend.admit(Player(user_id=player.user_id))
    gateway = await start_gateway_with_push(
        push,
        edge={"server": engine},
        push=PushSettings(queue_events_max=16, event_bytes_max=200_000),
    )
    address = gateway.addresses["edge"]
    async with edge_client(protocol, address) as stuck, edge_client(protocol, address) as quick:
        events = stuck.subscribe(player.subscription())
        await anext(events)
        healthy_events = quick.subscribe(healthy.subscription())
        await anext(healthy_events)
        payload = orjson.dumps({"filler": "x" * 150_000})
        total = 160
        for number in range(total):
            await push.tell(player.user_id, f"e{number}", payload)
            assert (await anext(healthy_events)).event_id == f"e{number}"
        seen, refused = await drained(events)
        assert (refused.code, refused.message) == ("resource_exhausted", "push stream overflowed")
        assert seen == [f"e{number}" for number in range(len(seen))]
        assert 0 < len(seen) < total
        await healthy_events.aclose()  # type: ignore[attr-defined]


async def drained(events: AsyncIterator[edge_pb2.Event]) -> tuple[list[str], Refused]:
    """Read a stream to its bitter end: the ids of its events, and how it ended."""
    seen: list[str] = []
    try:
        async for event in events:
            seen.append(event.event_id)  # noqa: PERF401 - what came before the error must be kept
    except Refused as refused:
        return seen, refused
    raise AssertionError("the stream ended without a status")
