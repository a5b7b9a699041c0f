"""The save: canonical JSON of the whole state, and the hash that stands for it.

The standard library writes floats by `float.__repr__`, the shortest text that reads back to the same bits; that has not
changed since Python 3.1, so the bytes depend on nothing but the state.
"""

import hashlib
import json
from dataclasses import fields
from typing import Any

from engine.rules import options as game_options
from engine.rules.consistency import is_consistent
from engine.rules.errors import BadSave, UnknownSaveFormat
from engine.rules.model import (
    Game,
    Goods,
    Group,
    Planet,
    Product,
    ProductKind,
    Race,
    RaceStatus,
    RouteKind,
    ShipType,
    Tech,
)

FORMAT = 1
READS = (1,)


def canonical(value: Any) -> bytes:
    """Return the one JSON text of plain values; keys keep their given order."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


def dump(game: Game) -> bytes:
    """Return the save of a game."""
    return canonical(
        {
            "format": FORMAT,
            "game_id": game.game_id,
            "seed": game.seed,
            "options": game_options.as_json(game.options),
            "turn": game.turn,
            "size": game.size,
            "finished": game.finished,
            "winner": game.winner,
            "origin": game.origin,
            "planets": [_planet(planet) for planet in game.planets],
            "races": [_race(race) for race in game.races],
        }
    )


def state_hash(game: Game) -> str:
    """Return the SHA-256 of the save, in hex."""
    return hashlib.sha256(dump(game)).hexdigest()


def load(data: bytes) -> Game:
    """Return the game of a save; raises BadSave, or UnknownSaveFormat for another format number."""
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadSave("The save is not JSON.") from error
    if not isinstance(raw, dict) or "format" not in raw:
        raise BadSave("The save names no format.")
    if raw["format"] not in READS:
        raise UnknownSaveFormat(f"This engine reads save formats {', '.join(map(str, READS))}.")
    try:
        game = _game(raw)
        consistent = is_consistent(game) and dump(game) == data
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise BadSave("The save lacks a part or holds a wrong one.") from error
    if not consistent:
        raise BadSave("The save contradicts itself.")
    return game


def _tech(tech: Tech) -> list[float]:
    return [tech.drive, tech.weapons, tech.shields, tech.cargo]


def _planet(planet: Planet) -> dict[str, Any]:
    return {
        "id": planet.id,
        "name": planet.name,
        "x": planet.x,
        "y": planet.y,
        "size": planet.size,
        "resources": planet.resources,
        "owner": planet.owner,
        "population": planet.population,
        "industry": planet.industry,
        "capital": planet.capital,
        "materials": planet.materials,
        "colonists": planet.colonists,
        "product": [planet.product.kind, planet.product.type_id],
        "progress": planet.progress,
        "spent": planet.spent,
        "routes": [[kind, target] for kind, target in planet.routes],
    }


def _race(race: Race) -> dict[str, Any]:
    return {
        "id": race.id,
        "player_id": race.player_id,
        "name": race.name,
        "tech": _tech(race.tech),
        "status": race.status,
        "computer_level": race.computer_level,
        "former_players": list(race.former_players),
        "peace": list(race.peace),
        "switched_off": list(race.switched_off),
        "window": None if race.window is None else list(race.window),
        "types": [
            [
                design.id,
                design.name,
                design.drive,
                design.attacks,
                design.weapons,
                design.shields,
                design.cargo,
            ]
            for design in race.types
        ],
        "next_type_id": race.next_type_id,
        "groups": [_group(group) for group in race.groups],
        "missed_turns": race.missed_turns,
        "mass_produced": race.mass_produced,
        "mass_lost": race.mass_lost,
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "number": group.number,
        "type": group.type_id,
        "ships": group.ships,
        "tech": _tech(group.tech),
        "planet": group.planet,
        "goods": group.goods,
        "load": group.load,
        "destination": group.destination,
        "remaining": group.remaining,
        "under_way": group.under_way,
    }


def _game(raw: dict[str, Any]) -> Game:
    return Game(
        game_id=raw["game_id"],
        seed=raw["seed"],
        options=game_options.from_json(raw["options"]),
        turn=raw["turn"],
        size=raw["size"],
        planets=tuple(_read_planet(item) for item in raw["planets"]),
        races=tuple(_read_race(item) for item in raw["races"]),
        finished=raw["finished"],
        winner=raw["winner"],
        origin=raw["origin"],
    )


def _read_planet(raw: dict[str, Any]) -> Planet:
    plain = {
        field.name: raw[field.name] for field in fields(Planet) if field.name not in {"product", "routes"}
    }
    return Planet(
        **plain,
        product=Product(ProductKind(raw["product"][0]), raw["product"][1]),
        routes=tuple((RouteKind(kind), target) for kind, target in raw["routes"]),
    )


def _read_race(raw: dict[str, Any]) -> Race:
    return Race(
        id=raw["id"],
        player_id=raw["player_id"],
        name=raw["name"],
        tech=Tech(*raw["tech"]),
        status=RaceStatus(raw["status"]),
        computer_level=raw["computer_level"],
        former_players=tuple(raw["former_players"]),
        peace=tuple(raw["peace"]),
        switched_off=tuple(raw["switched_off"]),
        window=None if raw["window"] is None else tuple(raw["window"]),
        types=tuple(ShipType(*design) for design in raw["types"]),
        next_type_id=raw["next_type_id"],
        groups=tuple(_read_group(item) for item in raw["groups"]),
        missed_turns=raw["missed_turns"],
        mass_produced=raw["mass_produced"],
        mass_lost=raw["mass_lost"],
    )


def _read_group(raw: dict[str, Any]) -> Group:
    return Group(
        number=raw["number"],
        type_id=raw["type"],
        ships=raw["ships"],
        tech=Tech(*raw["tech"]),
        planet=raw["planet"],
        goods=None if raw["goods"] is None else Goods(raw["goods"]),
        load=raw["load"],
        destination=raw["destination"],
        remaining=raw["remaining"],
        under_way=raw["under_way"],
    )
