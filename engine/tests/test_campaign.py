"""Campaign T41: five turns of two races against the figures of the original program."""

from typing import Any

import pytest

from engine.rules import numbers
from engine.rules.model import Game, Product, ProductKind
from engine.tests.builders import CLOSE, codes, game, home, planet, play, race

TURNS = [
    ("D Haul 2.5 0 0 0 1\nD Probe 1 0 0 0 0\nP 1 Haul\nP 2 CAP", "D Probe 1 0 0 0 0\nP 5 Probe"),
    ("L 1 COL 9\nS MAX 3\nP 1 Haul\nR 2 CAP 3\nS 1 2 20", "S 1 3 1\nP 5 DRIVE"),
    ("N 3 Colony\nP 3 CAP\nR 1 COL Colony\nP 1 WEAPONS", ""),
    ("P Colony MAT\nP 2 CARGO", "C Borg"),
    ("O NO AutoUnload\nP 1 Probe", "N 5 Cube"),
]


def near(value: float) -> Any:
    return pytest.approx(value, rel=CLOSE)


def campaign() -> Game:
    planets = [
        home(1, 1000, 1000, 10, owner=0, at=(20, 20), product="DRIVE"),
        home(2, 500, 500, 10, owner=0, at=(22, 21), product="DRIVE"),
        planet(3, size=640.5, res=3.21, at=(26, 25)),
        planet(4, size=120.25, res=0.8, at=(33, 20)),
        home(5, 1000, 1000, 10, owner=1, at=(100, 100), product="DRIVE"),
    ]
    return game(planets, [race(0, "A", off=["SortGroups"]), race(1, "B", off=["SortGroups"])])


def test_t41_campaign_of_five_turns():
    state = campaign()
    outcomes = []
    for orders in TURNS:
        outcomes.append(play(state, *orders))
        state = outcomes[-1].game
    assert codes(outcomes[2]) == ["OK", "OK", "E_PLANET", "OK"]
    # Nineteen Hauls are left after nine were split off: "S 1 2 20" sends them all.
    assert codes(outcomes[1]) == ["OK", "OK", "OK", "OK", "W_COUNT"]
    assert all(code == "OK" for index in (0, 3, 4) for code in codes(outcomes[index]))
    assert all(code == "OK" for outcome in outcomes for code in codes(outcome, 1))

    first, second, colony, _, cube = state.planets
    assert colony.name == "Colony"
    assert (colony.population, colony.industry) == (near(99.769), near(24.628))
    assert colony.materials == near(261.36)
    assert first.colonists == near(40.1)
    assert first.progress == near(0.30198)
    assert second.capital == near(273.217)
    assert second.colonists == near(25)
    a, borg = state.races
    assert (a.tech.drive, a.tech.weapons, a.tech.shields, a.tech.cargo) == (1.0, near(1.4), 1.0, near(1.4))
    ships = {design.name: 0 for design in a.types}
    for group in a.groups:
        ships[next(design.name for design in a.types if design.id == group.type_id)] += group.ships
    assert ships == {"Haul": 56, "Probe": 99}

    assert (borg.name, cube.name) == ("Borg", "Cube")
    assert borg.tech.drive == near(1.80)
    (traveller,) = [group for group in borg.groups if group.under_way]
    assert traveller.ships == 1
    assert traveller.remaining == near(25.361)
    assert first.product == Product(ProductKind.SHIP, 2)
    assert numbers.distance(cube, colony) > traveller.remaining
