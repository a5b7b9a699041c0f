"""What an engine says of itself is input: whatever does not fit the contract fails its turn and nothing else."""

from typing import Any, cast

import pytest

from backend.play.engine_state import EngineStates
from backend.runtime.engine_client import EngineBroken, EngineGame, _game


def body(**changes: Any) -> dict[str, Any]:
    players = [{"player_id": "p1", "status": "active"}]
    return {"turn": 1, "state_hash": "ab", "finished": False, "winner": None, "players": players} | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"winner": "p\0"},
        {"winner": 7},
        {"state_hash": None},
        {"state_hash": "a" * 1000},
        {"players": [{"player_id": "p\0", "status": "active"}]},
        {"players": [{"player_id": "p1", "status": None}]},
        {"players": [{"status": "active"}]},
        {"players": None},
        {"turn": "soon"},
    ],
)
def test_an_answer_outside_the_contract_is_a_broken_engine(changes: dict[str, Any]) -> None:
    with pytest.raises(EngineBroken):
        _game(body(**changes))


async def test_a_status_that_nobody_knows_is_a_broken_engine() -> None:
    states = EngineStates.__new__(EngineStates)
    game = _game(body(players=[{"player_id": "p1", "status": "surrendered"}]))
    assert isinstance(game, EngineGame)
    with pytest.raises(EngineBroken, match="surrendered"):
        await states.collect(cast("Any", None), game)
