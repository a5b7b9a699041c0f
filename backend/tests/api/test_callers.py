"""Who may call which family."""

import io

import pytest

from backend.tests.driving import GATEWAY_TOKEN, NOTIFICATION_TOKEN

pytestmark = pytest.mark.stores
NOBODY = "01890000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/public/auth/send-email-code"),
        ("GET", "/api/v1/public/notifications/unsubscribe?token=x&type=game.started"),
        ("GET", f"/api/v1/internal/sessions/{NOBODY}"),
        ("GET", f"/api/v1/internal/users/{NOBODY}"),
        ("GET", "/api/v1/user/account"),
        ("GET", "/openapi.json"),
    ],
)
async def test_without_a_service_token_nothing_answers(backend, method, path):
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {GATEWAY_TOKEN}"}):
        reply = await backend.call(method, path, token=None, headers=headers)
        assert (reply.status, reply.code) == (401, "unauthenticated")


async def test_only_the_gateway_speaks_for_players(backend, redis):
    player = await backend.sign_in(redis, "ada@example.org")
    other = await backend.as_player(player, "GET", "/account", token=NOTIFICATION_TOKEN)
    assert (other.status, other.code) == (403, "forbidden")
    for headers in (
        {},
        {"X-User-Id": player.user_id},
        {"X-User-Id": NOBODY, "X-Device-Session-Id": player.device_session_id},
        {"X-User-Id": "not an id", "X-Device-Session-Id": player.device_session_id},
        {"X-User-Id": player.user_id.upper(), "X-Device-Session-Id": player.device_session_id},
    ):
        assert (await backend.call("GET", "/api/v1/user/account", headers=headers)).status == 401


async def test_probes_need_no_token_and_scrapes_are_not_here(backend):
    for path in ("/healthz", "/readyz"):
        assert (await backend.call("GET", path, token=None)).status == 200
    assert (await backend.call("GET", "/metrics", token=None)).status == 404


async def test_bodies_are_bounded_by_family(backend):
    """A public body holds 16 KiB, a command 256 KiB, orders 1 MiB."""

    async def status(path: str, size: int) -> int:
        headers = {"Content-Type": "application/json"}
        reply = await backend.call("POST", path, data=io.BytesIO(b" " * size), headers=headers)
        return int(reply.status)

    assert await status("/api/v1/public/auth/send-email-code", 16 * 1024 + 1) == 413
    assert await status("/api/v1/public/auth/send-email-code", 16 * 1024) == 400
    assert await status("/api/v1/user/sessions/revoke-all", 256 * 1024 + 1) == 413
    orders = f"/api/v1/user/games/{NOBODY}/orders/check"
    assert await status(orders, 1024 * 1024 + 1) == 413
    assert await status(orders, 1024 * 1024) != 413


async def test_every_error_has_the_same_shape_and_the_callers_request_id(backend):
    for method, path, data in (
        ("GET", "/nowhere", None),
        ("DELETE", "/api/v1/user/account", None),
        ("POST", "/api/v1/public/auth/send-email-code", b"{"),
        ("POST", "/api/v1/public/auth/send-email-code", b"{}"),
        ("GET", "/api/v1/internal/sessions/x", None),
    ):
        headers = {"X-Request-Id": "ask-1", "Content-Type": "application/json"}
        reply = await backend.call(method, path, data=data, headers=headers)
        assert reply.body["error"].keys() == {"code", "message", "details", "request_id"}
        assert reply.body["error"]["request_id"] == reply.headers["X-Request-Id"] == "ask-1"


async def test_two_tokens_of_one_service_count_while_they_are_rotated(
    make_settings, run_backend, backend_dsn
):
    old, new = "old-token-of-the-gateway", "new-token-of-the-gateway"
    settings = make_settings(backend_dsn, service_tokens=f"gateway:{old},gateway:{new}")
    async with run_backend(settings) as backend:
        for token, status in ((old, 404), (new, 404), ("third-token-of-the-gateway", 401)):
            reply = await backend.call("GET", f"/api/v1/internal/users/{NOBODY}", token=token)
            assert reply.status == status


async def test_the_address_printed_for_operators_says_how_to_go_on(backend):
    for path in ("/api/v1/admin", "/api/v1/admin/"):
        index = await backend.call("GET", path, token=None)
        assert index.status == 200
        assert 'POST /api/v1/admin/login with {"user", "password"}' in index.body["log_in"]
