"""A scripted game of twenty turns whose hashes are the same on every machine and Python.

`python -m engine.determinism` prints them as JSON; continuous checks run it on several Pythons and compare the output
with `engine/tests/golden.json`, as a test does here.
"""

import hashlib
import json
import sys
from typing import Any

from engine.rules import report_json, report_text, save, setup, turn
from engine.rules.model import Game
from engine.rules.options import Options
from engine.rules.orders.reading import Line, read_json, read_text
from engine.rules.setup import Seat

TURNS = 20
_SEATS = (Seat("one", "Ants"), Seat("two", "Bees"), Seat("three", "Crabs", 1), Seat("four", "Drones", 3))
_OPENING = {
    1: "D Freighter 2.5 0 0 0 1\nD Scout 1 0 0 0 0\nD Wall 0 3 2.5 7 0\nP {first} Freighter\nP {second} CAP",
    2: "L 1 COL 6\nS MAX {target}\nR {second} CAP {first}\nA Bees\n@ Bees\nPeace?\n@",
    3: "P {first} Scout\nO NO SortGroups\nN {first} Eden",
    4: "P Eden DRIVE\nP {second} Wall\nS MAX {far} 1\nS 3 {target} 1",
    6: "P {second} CARGO\nT Wall Bastion\nR Eden EMP {second}\nM 0 0 40",
    8: "C Termites\nP Eden Freighter\nG 1 2\nX MAX 1",
    12: "L 1 COL 3 AMOUNT 0.5\nS MAX {far}\nW Bees\nP {second} SHIELDS",
}


def scripted_game() -> Game:
    """Return the game before its first turn."""
    return setup.new_game("determinism", "twenty turns", Options(), _SEATS)


def orders(game: Game, race: int) -> tuple[Line, ...]:
    """Return the script's orders for a race; the second player files in JSON form."""
    own = [planet for planet in game.planets if planet.owner == race]
    others = [planet for planet in game.planets if planet.owner is None] or list(game.planets)
    if len(own) < 2 or race > 1:
        return ()
    if race == 0:
        names = {
            "first": f"#{own[0].id}",
            "second": f"#{own[1].id}",
            "target": f"#{others[0].id}",
            "far": f"#{others[-1].id}",
        }
        return read_text(_OPENING.get(game.turn + 1, "").format(**names))
    product = ("DRIVE", "MAT", "CAP", "WEAPONS")[game.turn % 4]
    return read_json([{"op": "produce", "planet": f"#{planet.id}", "product": product} for planet in own])


def run() -> list[dict[str, Any]]:
    """Play the game; return turn, state hash and a hash over all reports for each turn."""
    game = scripted_game()
    rows = []
    for _ in range(TURNS):
        outcome = turn.take_turn(game, {race: orders(game, race) for race in range(2)})
        game = outcome.game
        digest = hashlib.sha256()
        for race in game.races:
            values = report_json.report(outcome, race.id)
            digest.update(save.canonical(values) + report_text.render(values).encode())
        rows.append({"turn": game.turn, "state": save.state_hash(game), "reports": digest.hexdigest()})
    return rows


def main() -> None:
    """Print the hashes."""
    sys.stdout.write(json.dumps(run(), indent=1) + "\n")


if __name__ == "__main__":
    main()
