"""Hypothesis strategies: small galaxies in the middle of a game, and orders for them."""

from typing import Any

from hypothesis import strategies as st

from engine.rules.model import (
    Game,
    Goods,
    Group,
    Planet,
    Product,
    ProductKind,
    Race,
    RouteKind,
    ShipType,
    Tech,
)
from engine.rules.numbers import capacity, distance, ship_tech
from engine.rules.options import Options

PLANETS = 6
TYPES = (
    ShipType(1, "Haul", 2.5, 0, 0.0, 0.0, 1.0),
    ShipType(2, "Gun", 10.0, 3, 5.0, 10.0, 0.0),
    ShipType(3, "Base", 0.0, 1, 1.0, 4.0, 10.0),
)
_PLACES = ((0.0, 0.0), (9.0, 3.0), (40.0, 7.0), (33.0, 21.5), (60.0, 60.0), (12.34, 56.78))
_amounts = st.floats(0.0, 500.0, allow_nan=False)
_levels = st.floats(1.0, 4.0)
_planet_names = st.sampled_from([*(str(number) for number in range(1, PLANETS + 1)), "#2", "#77", "Nowhere"])


@st.composite
def planets(draw: st.DrawFn, number: int, races: int) -> Planet:
    owner = draw(st.one_of(st.none(), st.integers(0, races - 1)))
    size = draw(st.floats(0.0, 1000.0)) + 1.0
    population = draw(st.floats(0.0, 1.0)) * size if owner is not None else 0.0
    industry = draw(st.floats(0.0, 1.0)) * population
    kind = draw(st.sampled_from(ProductKind)) if owner is not None else ProductKind.CAP
    targets = (
        draw(st.dictionaries(st.sampled_from(RouteKind), st.integers(1, PLANETS)))
        if owner is not None
        else {}
    )
    return Planet(
        id=number,
        name=str(number),
        x=_PLACES[number - 1][0],
        y=_PLACES[number - 1][1],
        size=size,
        resources=draw(st.floats(0.0, 10.0)),
        owner=owner,
        population=population,
        industry=industry,
        capital=draw(_amounts),
        materials=draw(_amounts),
        colonists=draw(_amounts),
        product=Product(kind, draw(st.integers(1, 3)) if kind is ProductKind.SHIP else 0),
        progress=draw(_amounts) if owner is not None else 0.0,
        routes=tuple((each, targets[each]) for each in RouteKind if each in targets),
    )


@st.composite
def groups(draw: st.DrawFn, number: int, places: list[Planet]) -> Group:
    design = draw(st.sampled_from(TYPES))
    tech = ship_tech(design, Tech(draw(_levels), draw(_levels), draw(_levels), draw(_levels)))
    room = capacity(design.cargo, tech.cargo, 10.0)
    goods = draw(st.one_of(st.none(), st.sampled_from(Goods))) if room > 0 else None
    load = room * draw(st.floats(0.05, 1.0)) if goods else 0.0
    start, target = draw(st.sampled_from(places)), draw(st.sampled_from(places))
    under_way = design.drive > 0 and start.id != target.id and draw(st.booleans())
    return Group(
        number=number,
        type_id=design.id,
        ships=draw(st.integers(1, 30)),
        tech=tech,
        planet=start.id,
        goods=goods,
        load=load,
        destination=target.id if under_way else None,
        remaining=distance(start, target) * draw(st.floats(0.1, 0.9)) if under_way else 0.0,
        under_way=under_way,
    )


@st.composite
def galaxies(draw: st.DrawFn, /, races: int = 3, **options: Any) -> Game:
    places = [draw(planets(number, races)) for number in range(1, PLANETS + 1)]
    members = tuple(
        Race(
            id=number,
            player_id=f"p{number}",
            name=f"Race{number}",
            tech=Tech(draw(_levels), draw(_levels), draw(_levels), draw(_levels)),
            types=TYPES,
            next_type_id=4,
            groups=tuple(draw(groups(each, places)) for each in range(1, draw(st.integers(0, 5)) + 1)),
            switched_off=tuple(
                draw(st.lists(st.sampled_from(["AutoUnload", "SortGroups"]), unique=True).map(sorted))
            ),
        )
        for number in range(races)
    )
    chosen = Options(**{"drop_idle": False, **options})
    return Game("law", "seed", chosen, draw(st.integers(0, 50)), 100.0, tuple(places), members)


_group_numbers = st.one_of(st.integers(1, 7), st.just("MAX"))
_counts = st.one_of(st.none(), st.integers(-2, 40))
_quantities = st.one_of(st.none(), st.sampled_from([0.001, 0.01, 0.5, 1.0, 12.25]))
_names = st.sampled_from(["Haul", "Gun", "Base", "New", "CAP", "Race1", "3", "x" * 21, "Ünique"])
_races = st.sampled_from(["Race0", "race1", "RACE2", "Nobody"])
_numbers = st.sampled_from([0.0, 0.5, 1.0, 2.5, 30.0])


def _order(op: str, **parts: Any) -> st.SearchStrategy[dict[str, Any]]:
    made = st.fixed_dictionaries({"op": st.just(op), **parts})
    return made.map(lambda raw: {name: value for name, value in raw.items() if value is not None})


orders = st.one_of(
    _order("send", group=_group_numbers, planet=_planet_names, count=_counts),
    _order("load", group=_group_numbers, goods=st.sampled_from(["CAP", "mat", "COL", "EMP"]), count=_counts,
           amount=_quantities),
    _order("unload", group=_group_numbers, count=_counts, amount=_quantities),
    _order("break", group=_group_numbers, count=st.integers(-1, 20)),
    _order("upgrade", group=_group_numbers, count=_counts),
    _order("scrap", group=_group_numbers, count=_counts),
    _order("produce", planet=_planet_names, product=_names),
    _order("route", planet=_planet_names, kind=st.sampled_from(["CAP", "MAT", "COL", "EMP", "X"]),
           destination=st.one_of(st.none(), _planet_names)),
    _order("name", planet=_planet_names, name=_names),
    _order("design", name=_names, drive=_numbers, attacks=st.integers(0, 3), weapons=_numbers, shields=_numbers,
           cargo=_numbers),
    _order("erase", type=_names),
    _order("rename", type=_names, name=_names),
    _order("call", name=_names),
    _order("peace", race=_races),
    _order("war", race=_races),
    _order("option", name=st.sampled_from(["AutoUnload", "sortgroups", "Nothing", "GPlus"]), on=st.booleans()),
    _order("map", x=_numbers, y=_numbers, extent=_numbers),
)  # fmt: skip
"""Orders in JSON form, sensible ones and others."""

order_sets = st.lists(orders, max_size=12)
