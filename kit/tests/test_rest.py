"""HTTP: one envelope for every error, callers by token, bodies with a limit, a listener with an order."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import aiohttp
import pytest
from fastapi import Depends
from opentelemetry.sdk.trace import TracerProvider
from pydantic import SecretStr

from kit.ids import uuid7
from kit.listener import HttpListener, bind
from kit.postgres import PostgresUnavailable
from kit.process import StartError
from kit.refusals import Refusal, RefusalKind
from kit.rest import (
    STATUS_OF_KIND,
    ApiError,
    BodyLimit,
    Page,
    Paging,
    RequestContext,
    Schema,
    ServiceAuth,
    add_probes,
    new_api,
)
from kit.rest_client import PeerUnavailable, RestClient

TOKENS = [("gateway", SecretStr("the-old-token-0001")), ("gateway", SecretStr("the-new-token-0002"))]


class GameFull(Refusal):
    """The game has no seat left."""

    code = "lobby.game_full"
    kind = RefusalKind.CONFLICT


class Body(Schema):
    """A body."""

    name: str


def application() -> Any:
    api = new_api("probe")

    @api.post("/echo")
    async def echo(body: Body) -> Body:
        return body

    @api.get("/full")
    async def full() -> None:
        raise GameFull(game_id="g-1", retry_after_seconds=7)

    @api.get("/away")
    async def away() -> None:
        raise PostgresUnavailable("restarting")

    @api.get("/defect")
    async def defect() -> None:
        raise ZeroDivisionError

    @api.get("/refused")
    async def refused() -> None:
        raise ApiError(418, "teapot", "short and stout", {"handle": 1}, {"X-Spout": "1"})

    @api.get("/who")
    async def who(caller: Annotated[str, Depends(ServiceAuth(TOKENS))]) -> dict[str, str]:
        return {"caller": caller}

    @api.get("/list")
    async def listed(paging: Annotated[Paging, Depends()]) -> Page[int]:
        return paging.of(range(paging.offset, paging.offset + paging.page_size), 1000)

    async def not_ready() -> str | None:
        return "standby"

    add_probes(api, not_ready)
    limited = BodyLimit(api, 100, lambda path: 10 if path == "/small" else None)
    return RequestContext(limited, TracerProvider().get_tracer("t"))


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        HttpListener("http", application(), "127.0.0.1:0").running() as listener,
        aiohttp.ClientSession(base_url=f"http://{listener.address}") as session,
    ):
        yield session


async def ask(http: aiohttp.ClientSession, method: str, path: str, **options: Any) -> tuple[int, Any, Any]:
    async with http.request(method, path, **options) as response:
        return response.status, await response.json(content_type=None), response.headers


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nothing", None, 404, "not_found"),
        ("GET", "/echo", None, 405, "method_not_allowed"),
        ("POST", "/echo", b"{", 400, "invalid_request"),
        ("POST", "/echo", b'{"name": 7}', 422, "invalid_request"),
        ("POST", "/echo", b'{"name": "a", "surplus": 1}', 422, "invalid_request"),
        ("POST", "/echo", b'{"name": "' + b"x" * 200 + b'"}', 413, "payload_too_large"),
        ("GET", "/full", None, 409, "lobby.game_full"),
        ("GET", "/away", None, 503, "service_unavailable"),
        ("GET", "/defect", None, 500, "internal"),
        ("GET", "/refused", None, 418, "teapot"),
        ("GET", "/who", None, 401, "unauthenticated"),
    ],
)
async def test_every_error_is_the_one_envelope(
    http: aiohttp.ClientSession, method: str, path: str, body: bytes | None, status: int, code: str
):
    got, answer, headers = await ask(
        http, method, path, data=body, headers={"Content-Type": "application/json", "X-Request-Id": "req-1"}
    )
    assert got == status
    assert set(answer["error"]) == {"code", "message", "details", "request_id"}
    assert answer["error"]["code"] == code
    assert answer["error"]["request_id"] == headers["X-Request-Id"] == "req-1"
    assert "ZeroDivision" not in str(answer)


async def test_a_refusal_tells_its_sentence_its_details_and_when_to_come_back(http: aiohttp.ClientSession):
    _, answer, headers = await ask(http, "GET", "/full")
    assert answer["error"]["message"] == "The game has no seat left."
    assert answer["error"]["details"] == {"game_id": "g-1"}
    assert headers["Retry-After"] == "7"


async def test_a_store_that_is_away_says_when_to_come_back(http: aiohttp.ClientSession):
    _, _, headers = await ask(http, "GET", "/away")
    assert headers["Retry-After"] == "2"


def test_every_kind_of_refusal_has_a_status():
    assert set(STATUS_OF_KIND) == set(RefusalKind)


async def test_a_streamed_body_over_the_limit_is_refused_too(http: aiohttp.ClientSession):
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 10

    status, answer, _ = await ask(
        http, "POST", "/echo", data=chunks(), headers={"Content-Type": "application/json"}
    )
    assert (status, answer["error"]["code"]) == (413, "payload_too_large")
    assert answer["error"]["details"] == {"limit_bytes": 100}


@pytest.mark.parametrize("token", ["the-old-token-0001", "the-new-token-0002"])
async def test_both_tokens_of_a_caller_count_while_one_is_rotated(http: aiohttp.ClientSession, token: str):
    status, answer, _ = await ask(http, "GET", "/who", headers={"Authorization": f"Bearer {token}"})
    assert (status, answer) == (200, {"caller": "gateway"})


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer the-old-token-000", "Basic the-old-token-0001", "Bearer ключ"]
)
async def test_no_other_token_counts(http: aiohttp.ClientSession, header: str):
    headers = {"Authorization": header.encode().decode("latin-1")} if header else {}
    status, _, answer_headers = await ask(http, "GET", "/who", headers=headers)
    assert status == 401
    assert answer_headers["WWW-Authenticate"] == "Bearer"


async def test_a_request_id_that_is_none_is_replaced(http: aiohttp.ClientSession):
    _, _, headers = await ask(http, "GET", "/list", headers={"X-Request-Id": "a b<script>"})
    assert headers["X-Request-Id"] != "a b<script>"


async def test_lists_are_paged_within_limits(http: aiohttp.ClientSession):
    status, answer, _ = await ask(http, "GET", "/list?page=3&page_size=2")
    assert answer == {"items": [4, 5], "page": 3, "page_size": 2, "total": 1000}
    for query in ("page=0", "page_size=201", "page_size=0"):
        status, _, _ = await ask(http, "GET", f"/list?{query}")
        assert status == 422


async def test_probes_tell_alive_and_ready_apart(http: aiohttp.ClientSession):
    assert (await ask(http, "GET", "/healthz"))[0] == 200
    status, answer, _ = await ask(http, "GET", "/readyz")
    assert (status, answer) == (503, {"status": "standby"})


async def test_a_port_in_use_is_a_sentence():
    with bind("127.0.0.1:0") as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            await HttpListener("http", application(), f"127.0.0.1:{port}").start()


async def test_a_listener_may_be_stopped_before_it_was_started_and_twice():
    listener = HttpListener("http", application(), "127.0.0.1:0")
    await listener.stop()
    await listener.start()
    await listener.stop()
    await listener.stop()


async def test_a_client_reads_answers_and_errors_and_tells_a_peer_that_is_away(http: aiohttp.ClientSession):
    base = str(http._base_url)
    async with RestClient.open(base, SecretStr("the-new-token-0002")) as client:
        assert (await client.call("GET", "/who")).json() == {"caller": "gateway"}
        refused = await client.call("GET", "/full")
        assert (refused.ok, refused.status, refused.error_code) == (False, 409, "lobby.game_full")
        with pytest.raises(PeerUnavailable, match="status 503"):
            await client.call("GET", "/away")
    async with RestClient.open(f"http://127.0.0.1:1/{uuid7()}", None) as client:
        with pytest.raises(PeerUnavailable):
            await client.call("GET", "/x")
