"""What the engine is asked, as a pure function of what players filed."""

from datetime import UTC, datetime

from backend.lobby.model import Member, MemberStatus, MissedTurnPolicy
from backend.play.model import OrderSet, game_request, turn_request
from backend.tests.lobby.test_states import a_game

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ORDERS = {"format": "text", "text": "P 1 CAP\n"}


def filed(player_id: str, orders=ORDERS, *, final: bool = False) -> dict[str, OrderSet]:
    return {player_id: OrderSet(player_id, orders, final, NOW)}


def test_who_filed_nothing_is_told_as_such():
    body = turn_request(a_game(people=2), "r", filed("u0"))
    assert body == {
        "request_id": "r",
        "orders": [
            {"player_id": "u0", "orders": ORDERS, "final": False},
            {"player_id": "u1", "orders": None, "final": False},
        ],
    }


def test_a_final_mark_without_orders_is_no_missed_turn():
    body = turn_request(a_game(people=1), "r", filed("u0", None, final=True))
    assert body["orders"] == [{"player_id": "u0", "orders": {"format": "json", "orders": []}, "final": True}]


def test_under_the_policy_hold_nobody_misses_a_turn():
    game = a_game(people=2, missed_turn_policy=MissedTurnPolicy.HOLD)
    body = turn_request(game, "r", {})
    assert [entry["orders"] for entry in body["orders"]] == [{"format": "json", "orders": []}] * 2


def test_computers_and_those_who_are_out_file_nothing():
    game = a_game(people=1)
    others = (
        Member("computer-1", None, "Automata", 1, MemberStatus.COMPUTER, 2),
        Member("u9", "u9", "Gone", None, MemberStatus.ELIMINATED, 3),
    )
    game = type(game)(**{**vars(game), "members": game.members + others})
    assert [entry["player_id"] for entry in turn_request(game, "r", {})["orders"]] == ["u0"]
    assert [player["computer_level"] for player in game_request(game)["players"]] == [None, 1, None]
