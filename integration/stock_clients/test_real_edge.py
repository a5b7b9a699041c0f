"""Stock clients on the one port of a real stack: the event stream and a command, over every protocol and HTTP version."""

import asyncio
import base64
import secrets
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded.stack import Stack
from integration.players import Player, signed_in
from integration.stock_clients.runner import NODE_TRANSPORTS, PYTHON_TRANSPORT, Ran, run_client

EVERY_TRANSPORT = (PYTHON_TRANSPORT, *NODE_TRANSPORTS)


async def run(player: Player, stack: Stack, transport: str, *more: str, key: bytes | None = None) -> Ran:
    seed = key or player.galaxy.identity.private_key.private_bytes_raw()
    return await asyncio.to_thread(
        run_client,
        transport,
        edge_url=stack.url("gateway.edge"),
        gateway_url=stack.url("gateway.public"),
        device_session_id=player.session_id,
        user_id=player.user_id,
        private_key=base64.b64encode(seed).decode(),
        more=more,
    )


@pytest.mark.parametrize("transport", EVERY_TRANSPORT)
async def test_a_stock_client_hears_of_what_its_own_command_did(
    stack: Stack, tmp_path: Path, transport: str
) -> None:
    async with signed_in(stack, tmp_path, f"stock-{transport.replace('.', '')}") as player:
        name = f"Stock {secrets.token_hex(3)}"
        ran = await run(
            player,
            stack,
            transport,
            "--command=user.account.update",
            f'--payload={{"display_name":"{name}"}}',
            f"--idempotency-key={secrets.token_urlsafe(16)}",
            "--events=2",
        )
        assert ran.exit_code == 0, ran
        first, second = ran.of_kind("event")
        assert (first["eventType"], first["cursor"]) == ("gateway.server_time", "")
        assert second["eventType"] == "account.changed"
        [answer] = ran.of_kind("response")
        assert answer["resultCode"] == "ok"
        assert answer["payload"]["display_name"] == name


@pytest.mark.parametrize("transport", EVERY_TRANSPORT)
async def test_a_key_that_is_not_the_sessions_is_refused(
    stack: Stack, tmp_path: Path, transport: str
) -> None:
    async with signed_in(stack, tmp_path, f"other-{transport.replace('.', '')}") as player:
        ran = await run(player, stack, transport, key=secrets.token_bytes(32))
        assert error_of(ran)["code"] == "unauthenticated"


@pytest.mark.parametrize("transport", ["python", "connect", "grpc-web", "web"])
async def test_a_revoked_session_is_told_the_reason(stack: Stack, tmp_path: Path, transport: str) -> None:
    async with signed_in(stack, tmp_path, f"revoked-{transport}") as player:
        await player.galaxy.sessions.revoke(player.session_id)
        error = error_of(await run(player, stack, transport))
        assert (error["code"], error["message"]) == ("failed_precondition", "device session is revoked")


def error_of(ran: Ran) -> dict[str, Any]:
    assert ran.exit_code == 1, ran
    [error] = ran.of_kind("error")
    return error
