"""Laws that hold for every game and every set of orders."""

import math
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.rules import growth, production, report_json, report_text, save, turn
from engine.rules.draft import Draft
from engine.rules.exact import ordered_sum
from engine.rules.model import Game, Goods
from engine.rules.numbers import PEOPLE_PER_COLONIST
from engine.rules.orders.reading import read_json, read_text
from engine.tests import worlds
from engine.tests.builders import planet

FILED = st.tuples(worlds.order_sets, worlds.order_sets, worlds.order_sets)
EXAMPLES = settings(max_examples=150, deadline=None)


def play(game: Game, filed: Any) -> Any:
    return turn.take_turn(game, {race: read_json(orders) for race, orders in enumerate(filed)})


@given(worlds.galaxies(), FILED)
@EXAMPLES
def test_nothing_is_ever_negative_or_beyond_its_bounds(game, filed):
    after = play(game, filed).game
    for each in after.planets:
        assert 0.0 <= each.industry <= each.population <= each.size
        stocks = (each.capital, each.materials, each.colonists, each.progress)
        assert all(math.isfinite(stock) and stock >= 0.0 for stock in stocks)
        assert each.spent == 0.0
    for race in after.races:
        numbers = [group.number for group in race.groups]
        assert len(set(numbers)) == len(numbers)
        for group in race.groups:
            assert group.ships >= 1
            assert group.load >= 0.0
            assert (group.goods is None) == (group.load == 0.0)
            assert group.under_way == (group.destination is not None) == (group.remaining >= 0.01)


@given(worlds.galaxies(), FILED)
@EXAMPLES
def test_the_same_turn_again_gives_the_same_bytes_also_from_the_save(game, filed):
    restored = save.load(save.dump(game))
    assert restored == game
    once, again = play(game, filed), play(restored, filed)
    assert save.dump(once.game) == save.dump(again.game)
    for race in range(len(game.races)):
        one, other = report_json.report(once, race), report_json.report(again, race)
        assert save.canonical(one) == save.canonical(other)
        assert report_text.render(one) == report_text.render(other)


@given(worlds.galaxies(), worlds.order_sets)
@EXAMPLES
def test_text_and_json_form_of_orders_are_the_same(game, orders):
    as_json = read_json(orders)
    as_text = read_text("\n".join(line.text for line in as_json))
    assert [line.order for line in as_text] == [line.order for line in as_json]
    assert turn.take_turn(game, {0: as_text}) == turn.take_turn(game, {0: as_json})


def totals(draft: Draft) -> tuple[float, float, float]:
    """Return people, capital with industry, and materials, on planets and in holds."""
    game = draft.close()
    held = dict.fromkeys(Goods, 0.0)
    for race in game.races:
        for group in race.groups:
            if group.goods:
                held[group.goods] += group.ships * group.load
    people = ordered_sum(each.population + PEOPLE_PER_COLONIST * each.colonists for each in game.planets)
    capital = ordered_sum(each.capital + each.industry for each in game.planets)
    materials = ordered_sum(each.materials for each in game.planets)
    return (
        people + PEOPLE_PER_COLONIST * held[Goods.COL],
        capital + held[Goods.CAP],
        materials + held[Goods.MAT],
    )


_WITHOUT_PRODUCTION = tuple(
    step
    for step in turn.SEQUENCE
    if step.name not in {"ships_materials_capital", "research_and_growth", "ending"}
)


@given(worlds.galaxies(), FILED)
@EXAMPLES
def test_moving_goods_neither_makes_nor_loses_any(game, filed):
    moving = [[order for order in orders if order["op"] not in {"scrap", "produce"}] for orders in filed]
    lines = {race: read_json(orders) for race, orders in enumerate(moving)}
    draft = Draft(game, (0, 1, 2), lines)
    before = totals(draft)
    ships = [sum(group.ships for group in race.groups) for race in game.races]
    turn.run_steps(draft, _WITHOUT_PRODUCTION)
    for one, other in zip(before, totals(draft), strict=True):
        assert math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-6)
    assert [sum(group.ships for group in race.groups) for race in draft.close().races] == ships


_quantities = st.floats(0.0, 1e6, allow_nan=False)


@given(_quantities, st.floats(0.0, 1.0), st.floats(0.0, 1.0), _quantities, _quantities)
def test_growth_landing_and_conversion_keep_the_bounds_to_the_last_bit(
    size, crowding, share, capital, landed
):
    population = min(size, size * crowding)
    state = planet(1, population, min(population, population * share), 1, size, capital=capital)
    for after in (
        growth.grown(state),
        growth.converted(state),
        *(growth.landed(state, goods, landed) for goods in Goods),
    ):
        assert 0.0 <= after.industry <= after.population <= after.size
        assert after.capital >= 0.0


@given(st.floats(0.0, 1e5), st.floats(1.0, 1e4), st.floats(0.0, 1e4), st.floats(0.0, 25.0))
@example(20.0, 1.0, 1.0, 2.225073858507203e-309)
def test_ship_building_makes_as_many_ships_as_the_points_pay_for_and_no_more(
    points, mass, materials, resources
):
    made = production.built(points, mass, materials, resources)
    if made.ships:
        assert production.ships_cost(made.ships, mass, materials, resources) <= points
    assert production.ships_cost(made.ships + 1, mass, materials, resources) > points
    assert made.progress >= 0.0
    assert made.materials >= 0.0


@given(worlds.galaxies(), worlds.order_sets)
@EXAMPLES
def test_orders_in_error_have_no_effect(game, orders):
    outcome = turn.take_turn(game, {0: read_json(orders)})
    fine = [
        order for order, result in zip(orders, outcome.results[0], strict=True) if result.status != "error"
    ]
    again = turn.take_turn(game, {0: read_json(fine)})
    assert again.game == outcome.game
