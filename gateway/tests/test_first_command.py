"""The shortest path through everything: one signed command, over Connect, and one forwarded sign-in call."""

import aiohttp
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from galaxy.edge.v1.edge_connect import EdgeServiceClient
from gateway.tests.backend import FakeBackend
from gateway.tests.conftest import GatewayStarter
from gateway.tests.player import Player, verify_response

pytestmark = pytest.mark.stores


async def test_a_signed_command_is_executed_and_the_answer_signed(
    start_gateway: GatewayStarter, backend: FakeBackend, player: Player, signer_key: Ed25519PrivateKey
):
    """gateway-runtime:22-25, gateway-runtime:26-27."""
    gateway = await start_gateway()
    async with EdgeServiceClient(f"http://{gateway.addresses['edge']}") as client:
        request = player.command("lobby.game.get", {"game_id": "a b", "page": 2})
        response = await client.execute_command(request)
    verify_response(signer_key.public_key(), request, response)
    assert response.result_code == "ok"
    assert orjson.loads(response.payload_bytes)["path"] == "/api/v1/user/games/a%20b?page=2"
    headers = backend.calls[0][2]
    assert headers["X-User-Id"] == player.user_id
    assert headers["X-Device-Session-Id"] == player.device_session_id
    assert headers["X-Forwarded-For"] == "127.0.0.1"


async def test_sign_in_calls_are_forwarded(
    start_gateway: GatewayStarter, backend: FakeBackend, http: aiohttp.ClientSession
):
    """gateway-runtime:12, gateway-runtime:15."""
    gateway = await start_gateway()
    url = f"http://{gateway.addresses['public']}/api/v1/public/auth/send-email-code"
    async with http.post(
        url, json={"email": "a@example.org"}, headers={"X-Forwarded-For": "6.6.6.6"}
    ) as answer:
        assert answer.status == 200
    method, path, headers, body = backend.calls[0]
    assert (method, path) == ("POST", "/api/v1/public/auth/send-email-code")
    assert orjson.loads(body) == {"email": "a@example.org"}
    assert headers["X-Forwarded-For"] == "127.0.0.1"
