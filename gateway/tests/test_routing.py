"""The table, and payloads that reach the backend as they were written."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.envelope.errors import MalformedField
from gateway.pipeline.errors import BackendUnavailable
from gateway.pipeline.model import Passage
from gateway.routing.errors import BackendFailed, NoRoute
from gateway.routing.model import BackendRequest, PayloadSize, Route
from gateway.routing.payload import backend_request
from gateway.routing.rest import NoCommands
from gateway.routing.service import Router
from gateway.routing.table import ROUTES
from gateway.sessions.model import Session, SessionStatus
from gateway.tests.test_envelope import request
from kit.rest_client import Answer
from kit.testing import ManualClock

SIZES = {PayloadSize.COMMAND: 256 * 1024, PayloadSize.ORDERS: 1024 * 1024}
GET = Route("x.y", "GET", "/games/{game_id}/turns/{turn}")
POST = Route("x.y", "POST", "/games/{game_id}/invites")


def test_the_declared_table_is_the_one_of_the_architecture_page():
    page = (Path(__file__).parents[2] / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    chapter = page.partition("### 3.3")[2].partition("A game as the lobby")[0]
    listed: set[str] = set()
    for first_cell in re.findall(r"^\| (`[^|]*`) \|", chapter, re.MULTILINE):
        names = re.findall(r"`([a-z_.]+)`", first_cell)
        stem = names[0].rpartition(".")[0]
        listed |= {stem + name if name.startswith(".") else name for name in names}
    assert {route.message_type for route in ROUTES} == listed


def test_path_fields_are_percent_encoded_and_the_rest_is_the_query():
    payload = b'{"game_id": "a?c#d \xc3\xa4", "turn": 3, "format": "te&xt", "n": 1.50, "z": null}'
    call = backend_request(GET, "/api", payload)
    assert call == BackendRequest("GET", "/api/games/a%3Fc%23d%20%C3%A4/turns/3?format=te%26xt&n=1.50", None)


def test_the_rest_of_a_body_stays_as_it_was_written():
    payload = b'{ "a" : 1.0e2 ,"game_id":"g" , "b":[ 1,2 ], "c":"\\u00e4" }'
    call = backend_request(POST, "/api", payload)
    assert call.path == "/api/games/g/invites"
    assert call.body == b'{"a" : 1.0e2,"b":[ 1,2 ],"c":"\\u00e4"}'


def test_without_path_fields_the_payload_passes_untouched():
    route = Route("x.y", "POST", "/games")
    assert backend_request(route, "", b"no json at all").body == b"no json at all"
    assert backend_request(route, "", b"").body is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[]",
        b"nonsense",
        b'{"game_id": "g"',
        b'{"game_id": "g"} x',
        b'{"game_id": ""}',
        b'{"game_id": "."}',
        b'{"game_id": ".."}',
        b'{"game_id": null}',
        b'{"game_id": true}',
        b'{"game_id": 1.5}',
        b'{"game_id": ["g"]}',
        b'{"game_id": "a", "game_id": "b"}',
        b'{"game_id": "\\ud800"}',
        b'{"game_id": "' + b"x" * 300 + b'"}',
        b'{"game_id": "g", "deep": ' + b"[" * 100_000 + b"}",
        b'\xff{"game_id": "g"}',
        b'{"n": ' + b"1" * 5000 + b', "game_id": "g"}',
        b'{game_id: "g"}',
        b'{1: "g"}',
        b'{"game_id": "g/applications/a/approve"}',
        b'{"game_id": "../account/delete?"}',
    ],
)
def test_a_payload_that_does_not_fit_is_refused_by_its_field(payload: bytes):
    with pytest.raises(MalformedField) as refusal:
        backend_request(POST, "", payload)
    assert refusal.value.field == "payload_bytes"


def test_a_query_takes_plain_values_only():
    for value in (b"[1]", b'{"a":1}', b'"\\ud800"'):
        with pytest.raises(MalformedField):
            backend_request(Route("x.y", "GET", "/games"), "", b'{"q": ' + value + b"}")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=6), st.text(min_size=1, max_size=50))
def test_nothing_is_lost_between_path_and_body(rest: dict[str, object], game_id: str):
    if game_id in {".", ".."} or "/" in game_id:
        return
    rest.pop("game_id", None)
    call = backend_request(POST, "/api", orjson.dumps({**rest, "game_id": game_id}))
    assert call.body is not None
    assert orjson.loads(call.body) == rest
    assert unquote(call.path.split("/")[3]) == game_id
    assert call.path.count("/") == 4


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8), st.text() | st.integers(-(2**53), 2**53) | st.booleans(), max_size=6
    )
)
def test_nothing_is_lost_between_payload_and_query(values: dict[str, object]):
    call = backend_request(Route("x.y", "GET", "/games"), "", orjson.dumps(values) if values else b"")
    pairs = parse_qsl(urlsplit(call.path).query, keep_blank_values=True)
    assert dict(pairs) == {
        name: value if isinstance(value, str) else orjson.dumps(value).decode()
        for name, value in values.items()
    }


@given(st.binary(max_size=60))
def test_any_payload_gives_a_call_or_a_refusal(payload: bytes):
    try:
        backend_request(POST, "", payload)
    except MalformedField:
        return


class Target:
    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.headers: dict[str, str] = {}

    async def call(self, request: BackendRequest, headers: Mapping[str, str]) -> Answer:
        self.headers = dict(headers)
        return self.answer


def passage(message_type: str = "user.account.get", **changes: object) -> Passage:
    session = Session("s1", "u1", SessionStatus.ACTIVE, bytes(32), ManualClock().now())
    return Passage(request(message_type=message_type, **changes), "198.51.100.1", looked_up=session)


def envelope(code: str) -> bytes:
    return orjson.dumps({"error": {"code": code, "message": "m", "details": {}, "request_id": ""}})


async def test_identity_address_and_idempotency_key_travel_as_headers():
    """gateway-runtime:55 user.* and lobby.* are forwarded with X-User-Id carrying the verified identity."""
    target = Target(Answer(200, b"{}"))
    router = Router(ROUTES, target, SIZES)
    await router.execute(passage(idempotency_key="k1"))
    assert target.headers == {
        "X-User-Id": "u1",
        "X-Device-Session-Id": "s1",
        "X-Forwarded-For": "198.51.100.1",
        "Idempotency-Key": "k1",
    }


async def test_a_refusal_by_the_domain_is_a_result():
    router = Router(ROUTES, Target(Answer(409, envelope("lobby.game_full"))), SIZES)
    result = await router.execute(passage())
    assert (result.result_code, result.payload_bytes) == ("lobby.game_full", envelope("lobby.game_full"))


@pytest.mark.parametrize(
    ("status", "body", "raised"),
    [
        (401, envelope("unauthenticated"), BackendUnavailable),
        (500, envelope("internal"), BackendFailed),
        (302, b"", BackendFailed),
        (404, b"<html>", BackendFailed),
    ],
)
async def test_what_is_no_answer_of_the_domain_is_no_result(
    status: int, body: bytes, raised: type[Exception]
):
    with pytest.raises(raised):
        await Router(ROUTES, Target(Answer(status, body)), SIZES).execute(passage())


async def test_an_unknown_message_type_has_no_route():
    with pytest.raises(NoRoute):
        await Router(ROUTES, NoCommands(), SIZES).execute(passage("lobby.game.destroy"))


async def test_an_empty_router_has_no_route_at_all():
    """gateway-runbook-latest:47 and gateway-runbook-redis-streams:13 without routes every command is UNIMPLEMENTED."""
    with pytest.raises(NoRoute):
        await Router((), NoCommands(), SIZES).execute(passage())


async def test_without_a_backend_commands_are_unavailable():
    with pytest.raises(BackendUnavailable):
        await Router(ROUTES, NoCommands(), SIZES).execute(passage())


def test_orders_may_be_larger_than_other_commands():
    router = Router(ROUTES, NoCommands(), SIZES)
    assert router.payload_bytes_max("play.orders.put") == 1024 * 1024
    assert router.payload_bytes_max("lobby.game.create") == 256 * 1024
    assert router.payload_bytes_max("who.knows") == 256 * 1024
