"""Orders over HTTP: who may file them, until when, and what the engine says of them."""

import json

import pytest

from backend.tests.game_rooms import NEW_GAME, Bench, started_game

pytestmark = pytest.mark.stores
NOTHING = {"format": "json", "orders": []}


async def test_orders_are_stored_checked_and_read_back(bench: Bench):
    ann, bob = await bench.player("ann"), await bench.player("bob")
    game_id = await started_game(bench, ann, bob)
    path = f"/games/{game_id}/orders"
    empty = await ann.ok("GET", path)
    assert (empty["turn"], empty["orders"], empty["stored_at"]) == (1, None, None)
    bad = {"turn": 1, "orders": {"format": "text", "text": "NONSENSE 1 2 3\n"}}
    stored = await ann.ok("PUT", path, bad)
    assert stored["check"]["rejected"] == 1
    assert (await ann.ok("GET", path))["orders"] == bad["orders"]
    assert (await bob.ok("GET", path))["orders"] is None, "one sees one's own orders alone"
    checked = await bob.ok("POST", f"{path}/check", {"turn": 1, "orders": NOTHING})
    assert checked["check"]["rejected"] == 0
    assert (await bob.ok("GET", path))["orders"] is None, "a check stores nothing"


async def test_orders_are_taken_for_the_coming_turn_from_players_alone(bench: Bench):
    ann, bob, cid = [await bench.player(name) for name in ("ann", "bob", "cid")]
    waiting = (await ann.ok("POST", "/games", NEW_GAME))["game_id"]
    body = {"turn": 1, "orders": NOTHING}
    assert await ann.refused("PUT", f"/games/{waiting}/orders", body) == (409, "play.not_playing")
    assert await ann.refused("GET", f"/games/{waiting}/orders") == (409, "play.not_playing")
    game_id = await started_game(bench, ann, bob)
    path = f"/games/{game_id}/orders"
    assert await cid.refused("PUT", path, body) == (403, "lobby.not_member")
    assert await cid.refused("GET", path) == (403, "lobby.not_member")
    assert await cid.refused("GET", f"/games/{game_id}/turns/0/report") == (403, "lobby.not_member")
    assert await ann.refused("PUT", path, body | {"turn": 2}) == (409, "play.not_coming_turn")
    assert await ann.refused("POST", f"{path}/final", {"turn": 2, "final": True}) == (
        409,
        "play.not_coming_turn",
    )
    await bench.operator.ok("POST", f"/games/{game_id}/force-next-turn")
    assert await ann.refused("PUT", path, body) == (409, "play.turn_closed")
    await bench.execute("UPDATE memberships SET status = 'eliminated' WHERE user_id = $1", bob.user_id)
    assert await ann.refused("GET", f"/games/{game_id}/turns/9/report") == (404, "play.report_not_found")


@pytest.mark.parametrize(
    ("orders", "status"),
    [
        ({"format": "xml", "text": ""}, 422),
        ({"format": "text"}, 422),
        ({"format": "text", "text": "", "orders": []}, 422),
        ({"format": "json", "orders": "P 1 CAP"}, 422),
        ({"format": "json", "orders": [{}] * 10_001}, 422),
        ({"format": "text", "text": "\ud800"}, 400),
        ({"format": "json", "orders": [float("nan")]}, 400),
        ({"format": "text", "text": "x" * (1024 * 1024)}, 422),
    ],
)
async def test_what_can_be_no_order_set_is_refused_before_it_is_stored(bench: Bench, orders, status):
    """A set that the engine could not read would fail the turn of everybody."""
    ann, bob = await bench.player("ann"), await bench.player("bob")
    game_id = await started_game(bench, ann, bob)
    raw = json.dumps({"turn": 1, "orders": orders}).encode()
    answer = await ann.call("PUT", f"/games/{game_id}/orders", raw=raw)
    assert (answer.status, answer.error_code) == (status, "invalid_request")
    assert await bench.rows("SELECT * FROM orders") == []


async def test_strangers_are_told_so_before_their_orders_are_read(bench: Bench):
    """Objects cost many times their JSON: only who has a seat may have theirs made."""
    ann, bob, cid = [await bench.player(name) for name in ("ann", "bob", "cid")]
    game_id = await started_game(bench, ann, bob)
    nowhere = "0190a000-0000-7000-8000-00000000dead"
    for method, path in (("PUT", "orders"), ("POST", "orders/check")):
        answers = [
            await cid.call(method, f"/games/{game}/{path}", raw=b"no JSON") for game in (nowhere, game_id)
        ]
        assert [(answer.status, answer.error_code) for answer in answers] == [
            (404, "lobby.game_not_found"),
            (403, "lobby.not_member"),
        ]


async def test_orders_are_kept_while_no_engine_answers(bench: Bench):
    ann, bob = await bench.player("ann"), await bench.player("bob")
    game_id = await started_game(bench, ann, bob)
    stopped = await bench.operator.ok("POST", f"/games/{game_id}/stop")
    assert (stopped["state"], stopped["runtime"]["status"]) == ("paused", "stopped")
    path = f"/games/{game_id}/orders"
    stored = await ann.ok("PUT", path, {"turn": 1, "orders": NOTHING})
    assert stored["check"] is None
    assert await ann.refused("POST", f"{path}/check", {"turn": 1, "orders": NOTHING}) == (
        409,
        "play.engine_unavailable",
    )
    assert await ann.refused("POST", f"/games/{game_id}/resume") == (409, "lobby.wrong_state")
    await bench.operator.ok("POST", f"/games/{game_id}/stop")  # again: nothing more happens
    resumed = await bench.operator.ok("POST", f"/games/{game_id}/resume")
    assert (resumed["state"], resumed["runtime"]["status"]) == ("running", "running")
    checked = await ann.ok("PUT", path, {"turn": 1, "orders": NOTHING})
    assert checked["check"]["rejected"] == 0
    assert ("game.stop", game_id) in bench.audited
    assert ("game.resume", game_id) in bench.audited


async def test_a_repeated_put_gives_the_first_answer(bench: Bench):
    ann, bob = await bench.player("ann"), await bench.player("bob")
    game_id = await started_game(bench, ann, bob)
    body = {"turn": 1, "orders": NOTHING}
    first = await ann.ok("PUT", f"/games/{game_id}/orders", body, key="put-1")
    again = await ann.ok("PUT", f"/games/{game_id}/orders", body, key="put-1")
    assert again["stored_at"] == first["stored_at"]
    other = {"turn": 1, "orders": {"format": "text", "text": "; other\n"}}
    assert await ann.refused("PUT", f"/games/{game_id}/orders", other, key="put-1") == (
        409,
        "idempotency.key_reused",
    )


async def test_a_game_that_its_owner_paused_is_the_operators_once_its_engine_is_stopped(bench: Bench):
    ann, bob = await bench.player("ann"), await bench.player("bob")
    game_id = await started_game(bench, ann, bob)
    await ann.ok("POST", f"/games/{game_id}/pause")
    stopped = await bench.operator.ok("POST", f"/games/{game_id}/stop")
    assert (stopped["state"], stopped["state_reason"]) == ("paused", "operator")
    assert await ann.refused("POST", f"/games/{game_id}/resume") == (409, "lobby.wrong_state")
