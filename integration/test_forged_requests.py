"""Replayed, stale, forged and cross-session requests are refused, also after the replay store was emptied."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError

from client.signing import DeviceSigner, new_request_id
from deploy.embedded.stack import Stack
from galaxy.edge.v1.edge_connect import EdgeServiceClient
from galaxy.edge.v1.edge_pb2 import ExecuteCommandRequest, RefusalDetail
from galaxy.edge.v1.signing import payload_hash
from integration.ledger import redis_of
from integration.players import Player, signed_in


@asynccontextmanager
async def edge(stack: Stack) -> AsyncIterator[EdgeServiceClient]:
    async with EdgeServiceClient(stack.url("gateway.edge")) as client:
        yield client


def signer_of(player: Player) -> DeviceSigner:
    return DeviceSigner(player.session_id, player.galaxy.identity.private_key)


def ask(player: Player, *, at_ms: int | None = None) -> ExecuteCommandRequest:
    now = int(time.time() * 1000) if at_ms is None else at_ms
    return signer_of(player).command("user.account.get", b"", "", now)


async def refusal(client: EdgeServiceClient, request: ExecuteCommandRequest) -> tuple[Code, str, str]:
    with pytest.raises(ConnectError) as refused:
        await client.execute_command(request)
    reason = ""
    for detail in refused.value.details:
        if detail.type_name == RefusalDetail.DESCRIPTOR.full_name:
            reason = RefusalDetail.FromString(detail.message_bytes).reason
    return refused.value.code, refused.value.message, reason


async def test_the_same_request_is_served_once(stack: Stack, tmp_path) -> None:
    async with signed_in(stack, tmp_path, "alice") as alice, edge(stack) as client:
        request = ask(alice)
        assert (await client.execute_command(request)).result_code == "ok"
        code, _, reason = await refusal(client, request)
        assert (code, reason) == (Code.FAILED_PRECONDITION, "replayed_request")


@pytest.mark.parametrize("minutes", [-2, 2])
async def test_a_stale_request_is_refused_and_told_the_time(stack: Stack, tmp_path, minutes: int) -> None:
    async with signed_in(stack, tmp_path, "bob") as bob, edge(stack) as client:
        at_ms = int(time.time() * 1000) + minutes * 60_000
        code, _, reason = await refusal(client, ask(bob, at_ms=at_ms))
        assert (code, reason) == (Code.FAILED_PRECONDITION, "stale_timestamp")


async def test_forged_and_unknown_are_refused_alike(stack: Stack, tmp_path) -> None:
    async with (
        signed_in(stack, tmp_path, "carol") as carol,
        signed_in(stack, tmp_path, "mallory") as mallory,
        edge(stack) as client,
    ):
        broken = ask(carol)
        broken.signature = bytes([broken.signature[0] ^ 1]) + broken.signature[1:]
        # Mallory signs with her own key for Carol's session.
        crossed = DeviceSigner(carol.session_id, mallory.galaxy.identity.private_key).command(
            "user.account.get", b"", "", int(time.time() * 1000)
        )
        unknown = DeviceSigner(
            "01890a5d-ac96-774b-bcce-b302099a8057", mallory.galaxy.identity.private_key
        ).command("user.account.get", b"", "", int(time.time() * 1000))
        moved = ask(carol)
        moved.message_type = "user.sessions.revoke_all"
        answers = [await refusal(client, request) for request in (broken, crossed, unknown, moved)]
        assert {answer[0] for answer in answers} == {Code.UNAUTHENTICATED}
        assert len(set(answers)) == 1, "an outsider must not learn which part was wrong"
        assert len((await carol.galaxy.sessions.list()).items) == 1


async def test_another_payload_under_the_same_signature_is_refused(stack: Stack, tmp_path) -> None:
    async with signed_in(stack, tmp_path, "dora") as dora, edge(stack) as client:
        request = ask(dora)
        request.payload_bytes = b'{"display_name": "Mallory"}'
        code, message, _ = await refusal(client, request)
        assert code is Code.INVALID_ARGUMENT
        assert "payload_hash" in message
        request.payload_hash = payload_hash(request.payload_bytes)
        assert (await refusal(client, request))[0] is Code.UNAUTHENTICATED


async def test_a_malformed_envelope_names_the_field(stack: Stack, tmp_path) -> None:
    async with signed_in(stack, tmp_path, "erin") as erin, edge(stack) as client:
        for field, value in (
            ("request_id", "short"),
            ("device_session_id", "not-a-uuid"),
            ("signature", b"x"),
            ("payload_hash", b"x"),
            ("message_type", ""),
        ):
            request = ask(erin)
            setattr(request, field, value)
            code, message, _ = await refusal(client, request)
            assert code is Code.INVALID_ARGUMENT, field
            assert field in message
        request = ask(erin)
        request.protocol_version = "v9"
        code, _, reason = await refusal(client, request)
        assert (code, reason) == (Code.FAILED_PRECONDITION, "unsupported_protocol_version")


async def test_nothing_is_let_through_twice_after_the_replay_store_was_emptied(
    own_stack: Stack, tmp_path
) -> None:
    async with signed_in(own_stack, tmp_path, "frank") as frank, edge(own_stack) as client:
        request = ask(frank)
        assert (await client.execute_command(request)).result_code == "ok"
        redis = redis_of(own_stack)
        try:
            keys = [key async for key in redis.scan_iter(match=f"{own_stack.redis_key_prefix}*")]
            await redis.delete(*keys)
        finally:
            await redis.aclose()
        # For one window nobody can know what was seen: sessions older than the store are refused, not let through.
        code, _, _ = await refusal(client, request)
        assert code in {Code.UNAVAILABLE, Code.FAILED_PRECONDITION}
        code, _, _ = await refusal(client, ask(frank))
        assert code is Code.UNAVAILABLE
        # A session made after the loss has nothing that could be replayed.
        async with signed_in(own_stack, tmp_path, "grace") as grace:
            assert (await client.execute_command(ask(grace))).result_code == "ok"


async def test_request_ids_are_a_sessions_own(stack: Stack, tmp_path) -> None:
    async with (
        signed_in(stack, tmp_path, "heidi") as heidi,
        signed_in(stack, tmp_path, "ivan") as ivan,
        edge(stack) as client,
    ):
        shared = new_request_id()
        for player in (heidi, ivan):
            signer = signer_of(player)
            request = ask(player)
            request.request_id = shared
            request.signature = signer._sign(request, "")
            assert (await client.execute_command(request)).result_code == "ok"
