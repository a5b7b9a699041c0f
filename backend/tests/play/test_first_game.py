"""The whole path once: create, apply, approve, start, orders, turn, report."""

import pytest

from backend.tests.game_rooms import Bench, started_game

pytestmark = pytest.mark.stores


async def test_a_game_is_created_joined_started_and_played(bench: Bench):
    ann, bob = await bench.player("ann"), await bench.player("bob")
    game_id = await started_game(bench, ann, bob)

    game = await ann.ok("GET", f"/games/{game_id}")
    assert game["current_turn"] == 0
    assert game["next_turn_at"] is not None
    assert game["runtime"] == {"status": "running", "detail": ""}
    report = await bob.ok("GET", f"/games/{game_id}/turns/0/report")
    assert report["turn"] == 0
    assert isinstance(report["report"], dict)

    filed = {"turn": 1, "orders": {"format": "text", "text": "; nothing yet\n"}}
    put = await ann.ok("PUT", f"/games/{game_id}/orders", filed)
    assert put["final"] is False
    assert "forecast" in put["check"]
    for player in (ann, bob):
        marked = await player.ok("POST", f"/games/{game_id}/orders/final", {"turn": 1, "final": True})
        assert marked["final"] is True
    game = await bench.until(ann, game_id, current_turn=1)
    assert game["players"][0]["final"] is False

    turns = await ann.ok("GET", f"/games/{game_id}/turns")
    assert [turn["turn"] for turn in turns["items"]] == [1, 0]
    text = await ann.ok("GET", f"/games/{game_id}/turns/1/report", query={"format": "text"})
    assert isinstance(text["report"], str)
    assert "Terrans" in text["report"]

    assert [i["recipients"] for i in await bench.intents("game.started")] == [[ann.user_id, bob.user_id]]
    (ready,) = await bench.intents("game.turn.ready")
    assert ready["turn"] == 1
    assert ready["deadline_at"] == game["next_turn_at"]
    reasons = [s.payload["reason"] for s in bench.ring.signals if s.event_type == "game.changed"]
    assert reasons.count("turn_generated") == 1
    assert reasons.count("final_changed") == 2
