"""Whether a game read from a save can be played on: types, references and ranges all hold."""

from collections.abc import Iterable

from engine.rules import names, numbers
from engine.rules import options as game_options
from engine.rules.model import Game, Group, Planet, ProductKind, Race, ShipType
from engine.rules.shape import fits


def is_consistent(game: Game) -> bool:
    """Return whether every turn may rely on this game."""
    return (
        fits(Game, game)
        and game_options.in_bounds(game.options)
        and game.turn >= 0
        and game.size > 0.0
        and [planet.id for planet in game.planets] == list(range(1, len(game.planets) + 1))
        and [race.id for race in game.races] == list(range(len(game.races)))
        and (game.winner is None or 0 <= game.winner < len(game.races))
        and _are_different(names.key(planet.name) for planet in game.planets)
        and _are_different(race.player_id for race in game.races)
        and all(_race_holds(game, race) for race in game.races)
        and all(_planet_holds(game, planet) for planet in game.planets)
    )


def _planet_holds(game: Game, planet: Planet) -> bool:
    quantities = (
        *(planet.size, planet.resources, planet.population, planet.industry, planet.capital),
        *(planet.materials, planet.colonists, planet.progress, planet.spent),
    )
    return (
        min(quantities) >= 0.0
        and planet.industry <= planet.population <= planet.size
        and (planet.owner is None or 0 <= planet.owner < len(game.races))
        and (planet.product.kind is not ProductKind.SHIP or _can_build(game, planet))
        and all(1 <= target <= len(game.planets) for _, target in planet.routes)
    )


def _can_build(game: Game, planet: Planet) -> bool:
    if planet.owner is None:
        return False
    return any(design.id == planet.product.type_id for design in game.races[planet.owner].types)


def _race_holds(game: Game, race: Race) -> bool:
    levels = (race.tech.drive, race.tech.weapons, race.tech.shields, race.tech.cargo)
    known = {design.id for design in race.types}
    return (
        min(levels) > 0.0
        and _are_different(design.id for design in race.types)
        and all(design.id < race.next_type_id and _design_holds(design) for design in race.types)
        and _are_different(group.number for group in race.groups)
        and all(group.type_id in known and _group_holds(game, group) for group in race.groups)
        and (race.window is None or race.window[2] > 0.0)
    )


def _design_holds(design: ShipType) -> bool:
    parts = (design.drive, design.weapons, design.shields, design.cargo)
    return min(parts) >= 0.0 and design.attacks >= 0 and numbers.ship_mass(design) > 0.0


def _group_holds(game: Game, group: Group) -> bool:
    levels = (group.tech.drive, group.tech.weapons, group.tech.shields, group.tech.cargo)
    travels = group.destination is not None and group.under_way and group.remaining > 0.0
    rests = group.destination is None and not group.under_way and group.remaining == 0.0
    return (
        group.number >= 1
        and group.ships >= 1
        and min(levels) >= 0.0
        and (group.load > 0.0 if group.goods is not None else group.load == 0.0)
        and 1 <= group.planet <= len(game.planets)
        and (group.destination is None or 1 <= group.destination <= len(game.planets))
        and (travels or rests)
    )


def _are_different(values: Iterable[object]) -> bool:
    seen = list(values)
    return len(set(seen)) == len(seen)
