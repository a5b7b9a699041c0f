"""The leak check: what a race does not see changes nothing of what it is told (rules, 19)."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.rules import computer, forecast, report_json, report_text, save, visibility
from engine.rules.model import Game, Group, Planet, Product, ProductKind, Race, Tech
from engine.rules.orders.reading import read_json
from engine.rules.turn_outcome import TurnOutcome
from engine.tests import worlds
from engine.tests.builders import design, game, group, home, planet, race, turned, with_race

ME = 0
EXAMPLES = settings(max_examples=200, deadline=None)


def own_and_present(state: Game) -> tuple[set[int], set[int]]:
    own = {each.id for each in state.planets if each.owner == ME}
    return own, {each.planet for each in state.races[ME].groups if not each.under_way}


def hidden_planet(draw: st.DrawFn, place: Planet) -> Planet:
    """Change all that a planet out of sight may have, but not whether somebody owns it."""
    if place.owner is None:
        return replace(
            place, size=draw(st.floats(1, 900)), resources=draw(st.floats(0, 9)), capital=7.0, materials=3.0
        )
    return replace(
        place,
        owner=draw(st.sampled_from([1, 2])),
        size=1500.0,
        population=draw(st.floats(0, 1000)),
        industry=0.0,
        resources=draw(st.floats(0, 9)),
        capital=draw(st.floats(0, 100)),
        materials=draw(st.floats(0, 100)),
        colonists=draw(st.floats(0, 100)),
        product=draw(st.sampled_from([Product(ProductKind.MAT), Product(ProductKind.SHIP, 2)])),
        progress=draw(st.floats(0, 100)),
        routes=(),
    )


def hidden_group(draw: st.DrawFn, flying: Group, own: set[int], seen: set[int]) -> Group:
    """Change all that is not seen of a foreign group; its number never is."""
    numbered = replace(flying, number=flying.number + draw(st.integers(0, 50)) * 10)
    if flying.under_way:
        if flying.destination in own:
            return numbered
        return replace(
            numbered, ships=draw(st.integers(1, 99)), type_id=2, tech=Tech(3, 3, 3, 0), goods=None, load=0.0
        )
    if flying.planet in own | seen:
        return numbered
    return replace(numbered, ships=draw(st.integers(1, 99)), type_id=draw(st.sampled_from([1, 2, 3])))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Game, Game]:
    """Two games that race 0 cannot tell apart."""
    state = draw(worlds.galaxies(public_status=False))
    own, seen = own_and_present(state)
    places = tuple(each if each.id in own | seen else hidden_planet(draw, each) for each in state.planets)
    strangers = []
    for other in state.races[1:]:
        changed = [hidden_group(draw, each, own, seen) for each in other.groups]
        strangers.append(
            replace(
                other,
                groups=tuple(draw(st.permutations(changed))),
                tech=Tech(*(draw(st.floats(1, 9)) for _ in range(4))),
                peace=tuple(draw(st.sets(st.sampled_from([ME, 3 - other.id])).map(sorted))),
                switched_off=draw(st.sampled_from([(), ("AutoUnload",)])),
                window=draw(st.sampled_from([None, (1.0, 2.0, 3.0)])),
                missed_turns=draw(st.integers(0, 5)),
                mass_produced=draw(st.floats(0, 1000)),
                player_id=draw(st.sampled_from(["stranger", "human"])) + other.name,
                next_type_id=draw(st.integers(4, 9)),
            )
        )
    twin = replace(
        state, planets=places, races=(state.races[ME], *strangers), seed="another", origin="another"
    )
    return state, twin


def told(state: Game) -> tuple[bytes, str]:
    values = report_json.report(TurnOutcome(state), ME)
    return save.canonical(values), report_text.render(values)


@given(pairs())
@EXAMPLES
def test_hidden_state_of_others_leaves_the_report_unchanged(two):
    assert told(two[0]) == told(two[1])


@given(pairs(), worlds.order_sets)
@EXAMPLES
def test_hidden_state_of_others_leaves_verdicts_and_forecast_unchanged(two, orders):
    one, other = (forecast.check(state, ME, read_json(orders)) for state in two)
    assert one.results == other.results
    assert save.canonical(one.forecast) == save.canonical(other.forecast)


@given(pairs())
@EXAMPLES
def test_the_known_world_holds_nothing_hidden(two):
    assert visibility.known_world(two[0], ME) == visibility.known_world(two[1], ME)


@given(pairs())
@EXAMPLES
def test_a_computer_race_plays_on_what_it_knows(two):
    assert computer.orders(two[0], ME) == computer.orders(two[1], ME)


HAUL = design(20, cargo=1, name="Haul")


def scene(**other: Any) -> Game:
    """Race 0 at planet 1; race 1 at home on planet 2 with ships."""
    planets = [
        home(1, 1000, 1000, 10, at=(10, 10), product="DRIVE", colonists=20),
        home(2, 700, 650, 3, 800, owner=1, at=(60, 60), product="SHIP", capital=4),
        planet(3, size=321, res=2.5, at=(20, 10), capital=6),
    ]
    secret = design(5, 1, 5, 5, 0, name="Secret")
    stranger: Race = race(1, types=[secret], groups=[group(secret, 7, at=2, number=42, **other)])
    return game(planets, [race(0, types=[HAUL], groups=[group(HAUL, 4)]), stranger], size=100)


def report_of(state: Game) -> dict[str, Any]:
    return report_json.report(TurnOutcome(state), ME)


def test_an_unseen_planet_shows_only_where_it_is_and_whether_somebody_owns_it():
    report = report_of(scene())
    assert report["unidentified_planets"] == [{"id": 2, "name": "2", "x": 60.0, "y": 60.0}]
    assert report["unowned_planets"] == [{"id": 3, "name": "3", "x": 20.0, "y": 10.0}]
    assert report["foreign_planets"] == report["seen_groups"] == report["seen_types"] == []


def test_a_ship_on_the_spot_sees_planet_groups_types_and_production_but_no_numbers():
    there = turned(scene(), "S 1 2 1")
    while not any(each.planet == 2 for each in there.races[ME].groups):
        there = turned(there)
    report = report_of(there)
    (seen,) = report["foreign_planets"]
    assert (seen["owner"], seen["production"], seen["size"]) == ("Race1", "Secret", 800.0)
    assert {each["name"] for each in report["seen_types"]} == {"Secret"}
    assert all("number" not in each for each in report["seen_groups"])
    # The seven have been joined by what the yard built meanwhile.
    assert sum(each["ships"] for each in report["seen_groups"]) > 7


def test_a_group_bound_for_an_own_planet_shows_mass_and_speed_but_not_whose_it_is():
    report = report_of(scene(destination=1, remaining=30.0, under_way=True))
    (incoming,) = report["incoming"]
    assert incoming == {
        "origin": 2,
        "destination": 1,
        "remaining": 30.0,
        "speed": incoming["speed"],
        "mass": 7 * 15.0,
    }
    assert report["map"]["dots"] == []


def test_the_order_of_incoming_groups_tells_nothing_of_whose_or_how_old_they_are():
    coming = {"at": 2, "destination": 1, "remaining": 30.0, "under_way": True}
    kind = design(5, 1, 5, 5, 0, name="Secret")
    few, many = group(kind, 2, number=1, **coming), group(kind, 9, number=2, **coming)
    one, other = scene(), scene()
    one = with_race(one, 1, groups=(few, many))
    other = with_race(other, 1, groups=(many, few))
    assert report_of(one)["incoming"] == report_of(other)["incoming"]
    assert [row["mass"] for row in report_of(one)["incoming"]] == [30.0, 135.0]


def test_other_travellers_are_dots_on_a_grid_that_no_window_refines():
    flying = scene(destination=3, remaining=30.0, under_way=True)
    zoomed = turned(flying, "M 30 30 1")
    assert report_of(flying)["incoming"] == []
    (cell,) = report_of(flying)["map"]["dots"]
    assert all(isinstance(part, int) for part in cell)
    wide = turned(flying)
    assert report_of(zoomed)["map"]["dots"] == report_of(wide)["map"]["dots"]


def test_the_forecast_hides_a_planet_that_only_the_forecast_would_see():
    orders = read_json(
        [
            {"op": "load", "group": 1, "goods": "COL"},
            {"op": "send", "group": 1, "planet": "3"},
        ]
    )
    checked = forecast.check(scene(), ME, orders)
    assert [result.code for result in checked.results] == ["OK", "OK"]
    assert [each["id"] for each in checked.forecast["planets"]] == [1]
    assert [each["planet"] for each in checked.forecast["groups"]] == [3]
