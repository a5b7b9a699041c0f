"""The order of the stages, and the whole table of statuses as clients see it."""

import asyncio
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from galaxy.edge.v1 import edge_pb2, signing
from gateway.app import build
from gateway.pipeline.errors import NotAuthenticated
from gateway.pipeline.model import Passage
from gateway.pipeline.service import Pipeline
from gateway.sessions.model import Session
from gateway.settings import BackendSettings, LimitSettings
from gateway.tests.backend import FakeBackend
from gateway.tests.clients import EdgeClient, Refused, edge_client
from gateway.tests.conftest import GatewayStarter, SettingsMaker
from gateway.tests.player import Player
from gateway.tests.test_envelope import request
from gateway.tests.test_sessions import session
from kit.redis_pool import RedisSettings, open_redis

ORDER = ("envelope", "session", "payload_hash", "signature", "freshness_replay", "rate_limit")


class Step:
    """A stage that notes its turn."""

    def __init__(self, name: str, turns: list[str], refuses: bool = False) -> None:
        self.name = name
        self._turns = turns
        self._refuses = refuses

    async def check(self, passage: Passage) -> None:
        self._turns.append(self.name)
        passage.looked_up = session()
        if self._refuses:
            raise NotAuthenticated


@pytest.mark.parametrize("refusing", ORDER)
async def test_no_stage_runs_before_the_ones_left_of_it_have_passed(refusing: str):
    """gateway-runbook-latest:6-8 the stages run from left to right."""
    turns: list[str] = []
    refused: list[tuple[str, str]] = []
    pipeline = Pipeline(
        [Step(name, turns, name == refusing) for name in ORDER], lambda *what: refused.append(what)
    )
    with pytest.raises(NotAuthenticated):
        await pipeline.admit(Passage(request(), ""))
    assert turns == list(ORDER[: ORDER.index(refusing) + 1])
    assert refused == [(refusing, "unauthenticated")]


async def test_what_passes_all_stages_is_a_session():
    turns: list[str] = []
    pipeline = Pipeline([Step(name, turns) for name in ORDER], lambda *_: None)
    assert isinstance(await pipeline.admit(Passage(request(), "")), Session)
    assert pipeline.stage_names == ORDER


async def refusal_of(client: EdgeClient, message: edge_pb2.ExecuteCommandRequest) -> Refused:
    try:
        await client.execute(message)
    except Refused as refused:
        return refused
    raise AssertionError("it passed")


@pytest.mark.stores
async def test_malformed_fields_are_named(
    start_gateway: GatewayStarter, player: Player, backend: FakeBackend
):
    gateway = await start_gateway()
    async with edge_client("connect-h1", gateway.addresses["edge"]) as client:
        for field, value in (("device_session_id", "x"), ("request_id", "x"), ("signature", b"x")):
            refused = await refusal_of(client, player.command("user.account.get", after={field: value}))
            assert refused.code == "invalid_argument"
            assert refused.message.startswith(f"{field}: ")
        assert backend.lookups == 0
        refused = await refusal_of(
            client, player.command("user.account.get", after={"payload_hash": bytes(32)})
        )
        assert (refused.code, refused.message.partition(":")[0]) == ("invalid_argument", "payload_hash")
        refused = await refusal_of(client, player.command("gateway.subscribe_events"))
        assert (refused.code, refused.message.partition(":")[0]) == ("invalid_argument", "message_type")


@pytest.mark.stores
async def test_an_unknown_session_and_a_bad_signature_look_alike(
    start_gateway: GatewayStarter, player: Player, backend: FakeBackend
):
    gateway = await start_gateway()
    stranger = Player()
    forged: Callable[[], Any] = lambda: player.command("user.account.get", after={"signature": bytes(64)})  # noqa: E731
    unknown: Callable[[], Any] = lambda: stranger.command("user.account.get")  # noqa: E731
    times: dict[str, list[float]] = {"forged": [], "unknown": []}
    async with edge_client("connect-h2", gateway.addresses["edge"]) as client:
        seen = set()
        for _ in range(60):
            for name, make in (("forged", forged), ("unknown", unknown)):
                message = make()
                began = time.perf_counter()
                refused = await refusal_of(client, message)
                times[name].append(time.perf_counter() - began)
                seen.add((refused.code, refused.message, refused.detail is None))
    assert seen == {("unauthenticated", "the request is not authenticated", True)}
    slower, quicker = sorted(map(median, times.values()), reverse=True)
    assert slower < 3 * quicker


@pytest.mark.stores
async def test_a_revoked_session_is_refused_for_good(
    start_gateway: GatewayStarter, player: Player, backend: FakeBackend
):
    """gateway-runbook-latest:86 the lookup's status=revoked is what refuses.

    gateway-runbook-latest:115 and gateway-runbook-redis-streams:59 the status says that the session was revoked.
    """
    gateway = await start_gateway()
    backend.revoke(player)
    async with edge_client("connect-h1", gateway.addresses["edge"]) as client:
        refused = await refusal_of(client, player.command("user.account.get"))
    assert (refused.code, refused.message) == ("failed_precondition", "device session is revoked")
    assert refused.detail is not None
    assert refused.detail.reason == "session_revoked"


@pytest.mark.stores
async def test_a_stale_timestamp_is_answered_with_our_time_signed(
    start_gateway: GatewayStarter, player: Player, signer_key: Ed25519PrivateKey
):
    gateway = await start_gateway()
    player.clock_skew_ms = -61_000
    message = player.command("user.account.get")
    async with edge_client("grpc-h2", gateway.addresses["edge"]) as client:
        refused = await refusal_of(client, message)
    assert refused.code == "failed_precondition"
    detail = refused.detail
    assert detail is not None
    assert detail.reason == "stale_timestamp"
    assert abs(detail.server_time_ms - time.time() * 1000) < 10_000
    signed = signing.refusal_message(
        player.device_session_id, message.request_id, detail.reason, detail.server_time_ms, detail.key_id
    )
    signer_key.public_key().verify(detail.signature, signed)


@pytest.mark.stores
async def test_a_replayed_request_is_refused_also_while_it_is_under_way(
    start_gateway: GatewayStarter, player: Player, backend: FakeBackend
):
    gateway = await start_gateway()
    message = player.command("user.account.get")
    async with edge_client("connect-h2", gateway.addresses["edge"]) as client:
        answers = await asyncio.gather(*(client.execute(message) for _ in range(10)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert len(refused) == 9
    assert {(r.code, r.detail.reason if r.detail else "") for r in refused} == {
        ("failed_precondition", "replayed_request")
    }
    assert len(backend.calls) == 1


@pytest.mark.stores
async def test_over_the_rate_the_answer_says_when_to_come_back(start_gateway: GatewayStarter, player: Player):
    gateway = await start_gateway(limits=LimitSettings(session_rate=0.1, session_burst=2))
    async with edge_client("connect-h1", gateway.addresses["edge"]) as client:
        for _ in range(2):
            await client.execute(player.command("user.account.get"))
        refused = await refusal_of(client, player.command("user.account.get"))
    assert refused.code == "resource_exhausted"
    assert refused.detail is not None
    assert refused.detail.reason == "rate_limited"
    assert 9_000 < refused.detail.retry_after_ms <= 10_000


@pytest.mark.stores
async def test_one_addresss_requests_are_limited_before_anything_is_read(
    start_gateway: GatewayStarter, player: Player, backend: FakeBackend
):
    gateway = await start_gateway(limits=LimitSettings(address_rate=0.1, address_burst=1))
    async with edge_client("connect-h1", gateway.addresses["edge"]) as client:
        await client.execute(player.command("user.account.get"))
        refused = await refusal_of(client, edge_pb2.ExecuteCommandRequest())
    assert refused.code == "resource_exhausted"
    assert refused.detail is not None
    assert refused.detail.retry_after_ms > 0
    assert backend.lookups == 1


@pytest.mark.stores
async def test_a_payload_over_its_limit_is_refused(start_gateway: GatewayStarter, player: Player):
    gateway = await start_gateway()
    async with edge_client("connect-h1", gateway.addresses["edge"]) as client:
        refused = await refusal_of(client, player.command("lobby.game.create", b"x" * (256 * 1024 + 1)))
        assert refused.code == "resource_exhausted"
        assert "262144 bytes" in refused.message
        refused = await refusal_of(client, player.command("play.orders.put", b"x" * (1024 * 1024 + 1)))
        assert refused.code == "resource_exhausted"
        assert "1048576 bytes" in refused.message


@pytest.mark.stores
async def test_an_unknown_message_type_is_unimplemented(start_gateway: GatewayStarter, player: Player):
    gateway = await start_gateway()
    async with edge_client("connect-h1", gateway.addresses["edge"]) as client:
        refused = await refusal_of(client, player.command("lobby.game.destroy"))
    assert (refused.code, refused.message) == ("unimplemented", "no route for this message type")


@pytest.mark.stores
async def test_with_an_empty_router_every_command_is_unimplemented(
    start_gateway: GatewayStarter, player: Player
):
    """gateway-runbook-latest:47-48 and gateway-runbook-redis-streams:13: as the build is, so it answers."""
    gateway = await start_gateway(routes=())
    async with edge_client("grpc-h2", gateway.addresses["edge"]) as client:
        for message_type in ("user.account.get", "lobby.game.list"):
            assert (await refusal_of(client, player.command(message_type))).code == "unimplemented"


@pytest.mark.stores
async def test_a_refusal_by_the_domain_is_no_rpc_error(
    start_gateway: GatewayStarter, player: Player, backend: FakeBackend
):
    body = {"error": {"code": "lobby.game_full", "message": "full", "details": {}, "request_id": "r"}}
    backend.answers["/api/v1/user/games/g1/applications"] = (409, body)
    gateway = await start_gateway()
    async with edge_client("connect-h1", gateway.addresses["edge"]) as client:
        response = await client.execute(
            player.command("lobby.application.submit", {"game_id": "g1", "race_name": "Terrans"})
        )
    assert response.result_code == "lobby.game_full"
    assert orjson.loads(response.payload_bytes) == body


@pytest.mark.stores
async def test_a_backend_that_is_away_lets_nothing_through(
    start_gateway: GatewayStarter, player: Player, backend: FakeBackend
):
    gateway = await start_gateway()
    backend.away = True
    async with edge_client("connect-h1", gateway.addresses["edge"]) as client:
        refused = await refusal_of(client, player.command("user.account.get"))
    assert refused.code == "unavailable"
    assert refused.detail is not None
    assert refused.detail.retry_after_ms == 1000


@pytest.mark.stores
async def test_a_defect_of_the_backend_is_internal_without_its_text(
    start_gateway: GatewayStarter, player: Player, backend: FakeBackend
):
    backend.answers["/api/v1/user/account"] = (
        500,
        {"error": {"code": "internal", "message": "secret table"}},
    )
    gateway = await start_gateway()
    async with edge_client("grpc-h2", gateway.addresses["edge"]) as client:
        refused = await refusal_of(client, player.command("user.account.get"))
    assert (refused.code, refused.message) == ("internal", "an unexpected error; it has been logged")


@pytest.mark.stores
async def test_without_a_backend_commands_are_unavailable(start_gateway: GatewayStarter, player: Player):
    gateway = await start_gateway(backend=BackendSettings())
    async with edge_client("connect-h1", gateway.addresses["edge"]) as client:
        assert (await refusal_of(client, player.command("user.account.get"))).code == "unavailable"


@pytest.mark.stores
async def test_a_flushed_replay_store_refuses_older_sessions_through_the_edge(
    make_settings: SettingsMaker, backend: FakeBackend, redis_settings: RedisSettings
):
    player = backend.admit(Player())
    async with (
        build(make_settings()) as gateway,
        open_redis(redis_settings) as redis,
        edge_client("connect-h1", gateway.addresses["edge"]) as client,
    ):
        message = player.command("user.account.get")
        await client.execute(message)
        backend.sessions[player.device_session_id]["created_at"] = "2020-01-01T00:00:00.000Z"
        keys = [key async for key in redis.scan_iter(match=redis_settings.key("gateway:replay:*"))]
        await redis.delete(*keys)
        refused = await refusal_of(client, message)
        assert refused.code == "unavailable"
        assert refused.detail is not None
        assert refused.detail.reason == "replay_store_rebuilding"
        assert 0 < refused.detail.retry_after_ms <= 61_000
        newcomer = backend.admit(Player())
        assert (await client.execute(newcomer.command("user.account.get"))).result_code == "ok"


@pytest.mark.stores
async def test_an_idempotency_key_is_forwarded_as_it_was_signed(
    start_gateway: GatewayStarter, player: Player, backend: FakeBackend
):
    gateway = await start_gateway()
    async with edge_client("connect-h1", gateway.addresses["edge"]) as client:
        await client.execute(player.command("lobby.game.create", {"name": "x"}, idempotency_key="retry-1"))
        tampered = player.command("lobby.game.create", {"name": "x"}, after={"idempotency_key": "retry-1"})
        assert (await refusal_of(client, tampered)).code == "unauthenticated"
    assert [call[2].get("Idempotency-Key") for call in backend.calls] == ["retry-1"]


@pytest.mark.stores
async def test_the_clients_trace_goes_on_at_the_backend(
    start_gateway: GatewayStarter, player: Player, backend: FakeBackend
):
    gateway = await start_gateway()
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    message = player.command("user.account.get", after={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"})
    async with edge_client("connect-h1", gateway.addresses["edge"]) as client:
        await client.execute(message)
    headers = backend.calls[0][2]
    assert trace_id in headers["traceparent"]
    assert headers["X-Request-Id"] == message.request_id
