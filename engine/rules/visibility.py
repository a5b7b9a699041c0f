"""What a race sees, and the world as it knows it (rules, 19, fog=open).

Everything a race is shown, in reports and in forecasts alike, comes through this module. `known_world` is the guard of
forecasts: what is not in it cannot leak out of it.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

from engine.rules import names, numbers
from engine.rules.model import CAPITAL, HIDDEN_OWNER, Game, Group, Planet, ProductKind, Race, ShipType, Tech

GRID_COLUMNS = 80
GRID_ROWS = 40


def present_at(game: Game, race: int) -> frozenset[int]:
    """Return the planets where the race has at least one ship, not counting ships in hyperspace."""
    return frozenset(group.planet for group in game.races[race].groups if not group.under_way)


def foreign_groups(game: Game, race: int) -> Iterator[tuple[Race, Group]]:
    """Yield the groups of other races at own planets and wherever the race is present."""
    seen = present_at(game, race) | {planet.id for planet in game.planets if planet.owner == race}
    for other in game.races:
        if other.id != race:
            for group in other.groups:
                if not group.under_way and group.planet in seen:
                    yield other, group


def incoming_groups(game: Game, race: int) -> Iterator[tuple[Race, Group]]:
    """Yield the groups of other races in hyperspace that are bound for an own planet."""
    for other, group in _foreign_travellers(game, race):
        if group.destination is not None and game.planets[group.destination - 1].owner == race:
            yield other, group


def dots(game: Game, race: int) -> list[tuple[int, int]]:
    """Return the cells (column, row) of the fixed grid over the galaxy that hold any other foreign traveller.

    The grid does not follow the map window: a zoomed map must not refine what is known.
    """
    cells = set()
    for _, group in _foreign_travellers(game, race):
        if group.destination is not None and game.planets[group.destination - 1].owner != race:
            x, y = position(game, group)
            cells.add((_cell(x, game.size, GRID_COLUMNS), _cell(y, game.size, GRID_ROWS)))
    return sorted(cells)


def foreign_types(game: Game, race: int) -> list[tuple[Race, ShipType]]:
    """Return the types of other races seen now: in visible groups, or in production where the race is present."""
    seen = {(other.id, group.type_id) for other, group in foreign_groups(game, race)}
    for number in present_at(game, race):
        planet = game.planets[number - 1]
        if planet.owner not in {None, race} and planet.product.kind is ProductKind.SHIP:
            seen.add((planet.owner, planet.product.type_id))
    types = (
        (other, design) for other in game.races for design in other.types if (other.id, design.id) in seen
    )
    # By name: in which order another race made its designs is hidden.
    return sorted(types, key=lambda each: (each[0].id, names.key(each[1].name)))


def position(game: Game, group: Group) -> tuple[float, float]:
    """Return where the group is on the map, also in hyperspace."""
    here = game.planets[group.planet - 1]
    if group.destination is None or not group.under_way:
        return here.x, here.y
    there = game.planets[group.destination - 1]
    leg = numbers.distance(here, there)
    share = group.remaining / leg if leg > 0.0 else 0.0
    return there.x + (here.x - there.x) * share, there.y + (here.y - there.y) * share


def known_world(game: Game, race: int) -> Game:
    """Return the game with everything scrubbed that the race does not know.

    Unseen planets keep position, name and whether anybody owns them; other races keep their names. Seen planets of
    other races keep their figures, since the race sees them.
    """
    seen = present_at(game, race)
    return replace(
        game,
        seed="",
        origin="",
        planets=tuple(_known_planet(planet, race, seen=planet.id in seen) for planet in game.planets),
        races=tuple(each if each.id == race else _stranger(each) for each in game.races),
    )


def _known_planet(planet: Planet, race: int, *, seen: bool) -> Planet:
    if planet.owner == race:
        return planet
    if seen and planet.owner is not None:
        return replace(planet, product=CAPITAL, progress=0.0, spent=0.0, routes=())
    blank = Planet(planet.id, planet.name, planet.x, planet.y, 0.0, 0.0)
    if seen:
        return replace(
            blank,
            size=planet.size,
            resources=planet.resources,
            capital=planet.capital,
            materials=planet.materials,
        )
    return blank if planet.owner is None else replace(blank, owner=HIDDEN_OWNER)


def _stranger(race: Race) -> Race:
    return Race(race.id, "", race.name, Tech(), race.status)


def _foreign_travellers(game: Game, race: int) -> Iterator[tuple[Race, Group]]:
    for other in game.races:
        if other.id != race:
            for group in other.groups:
                if group.under_way:
                    yield other, group


def _cell(coordinate: float, size: float, cells: int) -> int:
    return min(cells - 1, max(0, math.floor(coordinate / size * cells)))
