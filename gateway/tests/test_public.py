"""The public and admin listeners."""

import base64

import aiohttp
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from galaxy.edge.v1 import signing
from gateway.app import build
from gateway.settings import BackendSettings, LimitSettings, ResponseSettings
from gateway.tests.backend import TOKEN, FakeBackend
from gateway.tests.conftest import GatewayStarter, SettingsMaker
from gateway.tests.test_keys import write_public_keys

pytestmark = pytest.mark.stores
SEND_CODE = "/api/v1/public/auth/send-email-code"


async def test_probes_and_metrics_stand_where_the_runbook_says(
    start_gateway: GatewayStarter, http: aiohttp.ClientSession
):
    """gateway-runbook-latest:51 /healthz; gateway-runbook-latest:52 /readyz; gateway-runbook-latest:54 /metrics.

    gateway-runbook-redis-streams:16, gateway-runbook-redis-streams:17, gateway-runbook-redis-streams:18,
    gateway-runtime:57.
    gateway-runtime:8-9, gateway-runtime:14, gateway-runbook-latest:63-66, gateway-runbook-redis-streams:22-27.
    """
    gateway = await start_gateway()
    assert set(gateway.addresses) == {"public", "edge", "admin"}
    for listener, path, status in (
        ("public", "/healthz", 200),
        ("public", "/readyz", 200),
        ("public", "/metrics", 404),
        ("admin", "/metrics", 200),
        ("admin", "/healthz", 404),
        ("edge", "/metrics", 404),
    ):
        async with http.get(f"http://{gateway.addresses[listener]}{path}") as answer:
            assert answer.status == status, (listener, path)


async def test_a_browser_at_the_public_address_is_told_where_it_is(
    start_gateway: GatewayStarter, http: aiohttp.ClientSession
):
    gateway = await start_gateway()
    async with http.get(f"http://{gateway.addresses['public']}/") as page:
        assert page.status == 200
        assert page.headers["content-type"].startswith("text/html")
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        assert "galaxy sign-in" in await page.text()


async def test_the_admin_listener_is_off_unless_an_address_is_given(start_gateway: GatewayStarter):
    """gateway-runbook-latest:43 and gateway-runbook-redis-streams:11: admin HTTP only where it is asked for."""
    gateway = await start_gateway(admin_http_addr="")
    assert set(gateway.addresses) == {"public", "edge"}


async def test_readiness_is_of_this_process_alone(
    start_gateway: GatewayStarter, http: aiohttp.ClientSession, backend: FakeBackend
):
    """gateway-runbook-latest:55-59 and gateway-runbook-redis-streams:18-22: no word on what stands behind."""
    gateway = await start_gateway(push_target="127.0.0.1:1")
    backend.away = True
    async with http.get(f"http://{gateway.addresses['public']}/readyz") as answer:
        assert answer.status == 200


async def test_without_an_upstream_the_public_calls_stay_mounted_and_answer_503(
    start_gateway: GatewayStarter, http: aiohttp.ClientSession
):
    """gateway-runbook-latest:45-46 and gateway-runbook-redis-streams:12: mounted all the same."""
    gateway = await start_gateway(backend=BackendSettings())
    for path in (SEND_CODE, "/api/v1/public/auth/confirm-email-code"):
        async with http.post(f"http://{gateway.addresses['public']}{path}", json={}) as answer:
            assert answer.status == 503
            assert (await answer.json())["error"]["code"] == "service_unavailable"


async def test_a_backend_that_is_away_is_503_with_a_hint(
    start_gateway: GatewayStarter, http: aiohttp.ClientSession, backend: FakeBackend
):
    backend.away = True
    gateway = await start_gateway()
    async with http.post(f"http://{gateway.addresses['public']}{SEND_CODE}", json={}) as answer:
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "2"
        assert (await answer.json())["error"]["code"] == "service_unavailable"


async def test_answers_pass_with_their_status_and_body(
    start_gateway: GatewayStarter, http: aiohttp.ClientSession, backend: FakeBackend
):
    """gateway-runbook-latest:21 public calls are forwarded to the backend."""
    refusal = {"error": {"code": "auth.too_many_codes", "message": "m", "details": {}, "request_id": "r"}}
    backend.answers[SEND_CODE] = (429, refusal)
    gateway = await start_gateway()
    async with http.post(f"http://{gateway.addresses['public']}{SEND_CODE}", json={}) as answer:
        assert (answer.status, await answer.json()) == (429, refusal)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/public/auth/sign-out-everywhere?token=a%2Bb"),
        ("POST", "/api/v1/public/auth/sign-out-everywhere?token=a%2Bb"),
        ("GET", "/api/v1/public/notifications/unsubscribe?token=x"),
        ("POST", "/api/v1/public/notifications/unsubscribe?token=x"),
        ("POST", "/api/v1/public/mail/bounces"),
    ],
)
async def test_links_of_mails_are_forwarded_with_their_query(
    start_gateway: GatewayStarter, http: aiohttp.ClientSession, backend: FakeBackend, method: str, path: str
):
    gateway = await start_gateway()
    url = f"http://{gateway.addresses['public']}{path}"
    async with http.request(method, url) as answer:
        assert answer.status == 200
    assert backend.calls[0][0] == method
    assert backend.calls[0][1].partition("?")[0] == path.partition("?")[0]
    assert backend.calls[0][2]["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    "path",
    ["/api/v1/public/anything", "/api/v1/internal/sessions/x", "/api/v1/user/account", "/api/v1/admin/me"],
)
async def test_nothing_else_of_the_backend_is_reachable(
    start_gateway: GatewayStarter, http: aiohttp.ClientSession, backend: FakeBackend, path: str
):
    gateway = await start_gateway()
    async with http.get(f"http://{gateway.addresses['public']}{path}") as answer:
        assert answer.status == 404
    assert backend.calls == []


async def test_headers_that_would_speak_for_the_gateway_do_not_pass(
    start_gateway: GatewayStarter, http: aiohttp.ClientSession, backend: FakeBackend
):
    gateway = await start_gateway()
    forged = {
        "X-User-Id": "u1",
        "X-Device-Session-Id": "s1",
        "X-Forwarded-For": "6.6.6.6",
        "Authorization": "Bearer stolen",
        "Cookie": "a=b",
    }
    async with http.post(
        f"http://{gateway.addresses['public']}{SEND_CODE}", json={}, headers=forged
    ) as answer:
        assert answer.status == 200
    headers = backend.calls[0][2]
    assert headers["X-Forwarded-For"] == "127.0.0.1"
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert not [name for name in ("X-User-Id", "X-Device-Session-Id", "Cookie") if name in headers]


async def test_the_client_behind_a_trusted_proxy_is_told_to_the_backend(
    start_gateway: GatewayStarter, http: aiohttp.ClientSession, backend: FakeBackend
):
    gateway = await start_gateway(trusted_proxies=("127.0.0.0/8",))
    sent = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9"}
    async with http.post(f"http://{gateway.addresses['public']}{SEND_CODE}", json={}, headers=sent) as answer:
        assert answer.status == 200
    assert backend.calls[0][2]["X-Forwarded-For"] == "203.0.113.9"


async def test_a_large_body_is_refused(
    start_gateway: GatewayStarter, http: aiohttp.ClientSession, backend: FakeBackend
):
    gateway = await start_gateway()
    async with http.post(f"http://{gateway.addresses['public']}{SEND_CODE}", data=b"x" * 16_385) as answer:
        assert answer.status == 413
    assert backend.calls == []


async def test_one_address_is_limited(start_gateway: GatewayStarter, http: aiohttp.ClientSession):
    gateway = await start_gateway(limits=LimitSettings(public_rate=0.1, public_burst=1))
    url = f"http://{gateway.addresses['public']}{SEND_CODE}"
    async with http.post(url, json={}) as answer:
        assert answer.status == 200
    async with http.post(url, json={}) as answer:
        assert answer.status == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 10


async def test_keys_are_published_with_those_that_retired(
    make_settings: SettingsMaker, http: aiohttp.ClientSession, signer_key: Ed25519PrivateKey, signer_path: str
):
    retired = Ed25519PrivateKey.generate().public_key()
    path = write_public_keys(signer_path + ".old", retired, signer_key.public_key())
    response = ResponseSettings(
        signer_private_key_pem_path=signer_path, signer_previous_public_keys_path=path
    )
    async with (
        build(make_settings(response=response)) as gateway,
        http.get(f"http://{gateway.addresses['public']}/api/v1/public/keys") as answer,
    ):
        body = orjson.loads(await answer.read())
    assert [(key["status"], base64.b64decode(key["public_key"])) for key in body["keys"]] == [
        ("active", signer_key.public_key().public_bytes_raw()),
        ("retired", retired.public_bytes_raw()),
    ]
    assert [key["key_id"] for key in body["keys"]] == [
        signing.key_id_of(base64.b64decode(key["public_key"])) for key in body["keys"]
    ]
    assert {key["algorithm"] for key in body["keys"]} == {"Ed25519"}
