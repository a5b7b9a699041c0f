"""The report of one race as plain JSON values; `engine/docs/report.md` describes the shape.

Lists are in an order that the reader could make himself (by planet, name, figures), never in an order of hidden things.
Quantities are the full doubles; rounding is for the text.
"""

import math
from typing import Any

from engine.rules import ending, numbers, production, visibility
from engine.rules import options as game_options
from engine.rules.model import Game, Group, Planet, ProductKind, Race, ShipType, Tech
from engine.rules.orders.realm import OPTIONS
from engine.rules.turn_outcome import TurnOutcome

FORMAT = 1


def report(outcome: TurnOutcome, race: int) -> dict[str, Any]:
    """Return the report of a race on the turn that has just run (or on turn 0)."""
    game = outcome.game
    own = game.races[race]
    return {
        "format": FORMAT,
        "game_id": game.game_id,
        "turn": game.turn,
        "race": own.name,
        "status": own.status,
        "finished": game.finished,
        "winner": None if game.winner is None else game.races[game.winner].name,
        "race_order": [game.races[each].name for each in outcome.race_order],
        "news": [
            {"code": item.code, "text": item.text} for item in outcome.news if item.race in {None, race}
        ],
        "messages": _messages(outcome, race),
        "game_options": game_options.as_json(game.options),
        "own_options": {name: name not in own.switched_off for name in OPTIONS},
        "orders": [
            {
                "line": result.line,
                "text": result.text,
                "status": result.status,
                "code": result.code,
                "message": result.message,
            }
            for result in outcome.results.get(race, ())
        ],
        "races": _races(game, race),
        "types": own_types(game, race),
        "seen_types": [
            {"race": other.name, **_design(game, design)}
            for other, design in visibility.foreign_types(game, race)
        ],
        "map": _map(game, race),
        "incoming": _incoming(game, race),
        "planets": own_planets(game, race),
        "in_production": [] if "ProdTable" in own.switched_off else _in_production(game, race),
        "routes": own_routes(game, race),
        **_other_planets(game, race),
        "groups": own_groups(game, race),
        "seen_groups": _seen_groups(game, race),
        "totals": {"mass_produced": own.mass_produced, "mass_lost": own.mass_lost},
    }


def own_planets(game: Game, race: int) -> list[dict[str, Any]]:
    """Return the race's planets with all their figures."""
    return [_planet(game, planet) for planet in game.planets if planet.owner == race]


def own_types(game: Game, race: int) -> list[dict[str, Any]]:
    """Return the race's ship types with their values at technology 1, empty."""
    return [_design(game, design) for design in game.races[race].types]


def own_routes(game: Game, race: int) -> list[dict[str, Any]]:
    """Return the routes that leave the race's planets."""
    return [
        {"planet": planet.id, "kind": kind, "destination": target}
        for planet in game.planets
        if planet.owner == race
        for kind, target in planet.routes
    ]


def own_groups(game: Game, race: int) -> list[dict[str, Any]]:
    """Return the race's groups by number, with speed and position."""
    own = game.races[race]
    return [_own_group(game, own, group) for group in sorted(own.groups, key=lambda group: group.number)]


def _messages(outcome: TurnOutcome, race: int) -> list[dict[str, Any]]:
    return [
        {"from": outcome.game.races[letter.sender].name, "to_all": not letter.to, "text": letter.text}
        for letter in outcome.letters
        if letter.sender != race and (not letter.to or race in letter.to)
    ]


def _races(game: Game, race: int) -> list[dict[str, Any]]:
    scores = {each.id: ending.score(game, each.id) for each in game.races}
    public = game.options.public_status
    rows = []
    for each in game.races:
        row: dict[str, Any] = {
            "race": each.name,
            "status": each.status,
            "attitude": None if each.id == race else "peace" if each.id in game.races[race].peace else "war",
        }
        if public or each.id == race:
            row |= _status(game, each, scores[each.id])
        if public:
            row["rank"] = 1 + len([other for other in scores.values() if other > scores[each.id]])
        rows.append(row)
    return rows


def _status(game: Game, race: Race, score: float) -> dict[str, Any]:
    own = [planet for planet in game.planets if planet.owner == race.id]
    population = industry = 0.0
    for planet in own:
        population += planet.population
        industry += planet.industry
    return {
        **_tech(race.tech),
        "population": population,
        "industry": industry,
        "production": score,
        "planets": len(own),
    }


def _tech(tech: Tech) -> dict[str, float]:
    return {"drive": tech.drive, "weapons": tech.weapons, "shields": tech.shields, "cargo": tech.cargo}


def _design(game: Game, design: ShipType) -> dict[str, Any]:
    level = Tech()
    return {
        "name": design.name,
        "drive": design.drive,
        "attacks": design.attacks,
        "weapons": design.weapons,
        "shields": design.shields,
        "cargo": design.cargo,
        "mass": numbers.ship_mass(design),
        "speed": numbers.speed(design, level),
        "attack": numbers.attack(design, level),
        "defence": numbers.defence(design, level),
        "capacity": numbers.capacity(design.cargo, 1.0, game.options.cargo_divisor),
    }


def _map(game: Game, race: int) -> dict[str, Any]:
    x, y, extent = game.races[race].window or (0.0, 0.0, game.size)
    return {
        "size": game.size,
        "window": {"x": x, "y": y, "extent": extent},
        "columns": visibility.GRID_COLUMNS,
        "rows": visibility.GRID_ROWS,
        "dots": [list(cell) for cell in visibility.dots(game, race)],
    }


def _incoming(game: Game, race: int) -> list[dict[str, Any]]:
    rows = [
        {
            "origin": group.planet,
            "destination": group.destination,
            "remaining": group.remaining,
            "speed": numbers.group_speed(group, _type_of(other, group)),
            "mass": _mass(other, group) * group.ships,
        }
        for other, group in visibility.incoming_groups(game, race)
    ]
    return sorted(rows, key=lambda row: tuple(row.values()))


def _place(planet: Planet) -> dict[str, Any]:
    return {"id": planet.id, "name": planet.name, "x": planet.x, "y": planet.y}


def _planet(game: Game, planet: Planet) -> dict[str, Any]:
    return {
        **_place(planet),
        "size": planet.size,
        "population": planet.population,
        "industry": planet.industry,
        "resources": planet.resources,
        "production": _product(game, planet),
        "capital": planet.capital,
        "materials": planet.materials,
        "colonists": planet.colonists,
        "points": numbers.planet_points(planet),
    }


def _product(game: Game, planet: Planet) -> str:
    if planet.product.kind is not ProductKind.SHIP or planet.owner is None:
        return planet.product.kind.value
    types = game.races[planet.owner].types
    return next(design.name for design in types if design.id == planet.product.type_id)


def _in_production(game: Game, race: int) -> list[dict[str, Any]]:
    rows = []
    for planet in game.planets:
        if planet.owner != race or planet.product.kind is not ProductKind.SHIP:
            continue
        design = next(each for each in game.races[race].types if each.id == planet.product.type_id)
        mass = production.paid_mass(numbers.ship_mass(design), game.options.large_ship_tolerance)
        cost = production.ships_cost(1, mass, planet.materials, planet.resources)
        rows.append(
            {
                "planet": planet.id,
                "type": design.name,
                "points_per_ship": cost if math.isfinite(cost) else None,
                "progress": planet.progress,
                "points": numbers.planet_points(planet),
            }
        )
    return rows


def _other_planets(game: Game, race: int) -> dict[str, Any]:
    seen = visibility.present_at(game, race)
    foreign, unidentified, unowned = [], [], []
    for planet in game.planets:
        if planet.owner == race:
            continue
        if planet.owner is None:
            row = _place(planet)
            if planet.id in seen:
                row |= {
                    "size": planet.size,
                    "resources": planet.resources,
                    "capital": planet.capital,
                    "materials": planet.materials,
                }
            unowned.append(row)
        elif planet.id in seen:
            foreign.append({**_planet(game, planet), "owner": game.races[planet.owner].name})
        else:
            unidentified.append(_place(planet))
    return {"foreign_planets": foreign, "unidentified_planets": unidentified, "unowned_planets": unowned}


def _type_of(race: Race, group: Group) -> ShipType:
    return next(design for design in race.types if design.id == group.type_id)


def _mass(race: Race, group: Group) -> float:
    return numbers.full_mass(numbers.ship_mass(_type_of(race, group)), group.load, group.tech.cargo)


def _ships(race: Race, group: Group) -> dict[str, Any]:
    return {
        "type": _type_of(race, group).name,
        "ships": group.ships,
        **_tech(group.tech),
        "goods": group.goods,
        "load": group.load,
        "planet": group.planet,
    }


def _own_group(game: Game, race: Race, group: Group) -> dict[str, Any]:
    x, y = visibility.position(game, group)
    design = _type_of(race, group)
    return {
        "number": group.number,
        **_ships(race, group),
        "destination": group.destination,
        "remaining": group.remaining,
        "under_way": group.under_way,
        "x": x,
        "y": y,
        "speed": numbers.group_speed(group, design),
        "mass": _mass(race, group),
        "defence": numbers.defence(design, group.tech, group.load),
        "capacity": numbers.capacity(design.cargo, group.tech.cargo, game.options.cargo_divisor),
    }


def _seen_groups(game: Game, race: int) -> list[dict[str, Any]]:
    rows = [
        {"race": other.name, **_ships(other, group)} for other, group in visibility.foreign_groups(game, race)
    ]

    def by_what_is_seen(row: dict[str, Any]) -> tuple[Any, ...]:
        return (row["planet"], *(value or "" if key == "goods" else value for key, value in row.items()))

    return sorted(rows, key=by_what_is_seen)
