"""Computer races: the engine writes plain, sensible orders from what the race knows (design, section 5).

A computer race expands: it builds haulers while there are colonists to move, settles the nearest unowned planets, feeds
colonies with colonists and capital by routes, and researches otherwise. It sees only its known world, so a
computer never plays on hidden information, and its orders are a pure function of the state.
"""

import math
from collections.abc import Iterator
from typing import Any

from engine.rules import numbers, visibility
from engine.rules.model import RESEARCH, Game, Goods, Planet, Product, ProductKind, RouteKind
from engine.rules.orders.reading import Line, read_json

LEVELS = (1, 2, 3)
HAULER = "Hauler"
_HAULER_DESIGN = {"drive": 2.5, "attacks": 0, "weapons": 0, "shields": 0, "cargo": 1}
_FULL = 0.95


def orders(game: Game, race: int) -> tuple[Line, ...]:
    """Return the orders of a computer race for the coming turn."""
    level = game.races[race].computer_level or 1
    return read_json(list(_Mind(visibility.known_world(game, race), race, level).orders()))


class _Mind:
    """One race's view of the galaxy while it makes its plan."""

    def __init__(self, world: Game, race: int, level: int) -> None:
        self._world = world
        self._race = world.races[race]
        self._level = level
        self._own = [planet for planet in world.planets if planet.owner == race]
        self._hauler = next((design for design in self._race.types if design.name == HAULER), None)
        bound = {group.destination or group.planet for group in self._race.groups if group.goods is Goods.COL}
        self._targets = [
            planet for planet in world.planets if planet.owner is None and planet.id not in bound
        ]

    def orders(self) -> Iterator[dict[str, Any]]:
        if self._hauler is None:
            yield {"op": "design", "name": HAULER, **_HAULER_DESIGN}
        for planet in self._own:
            yield from self._industry(planet)
            yield from self._supply(planet)
        yield from self._expeditions()

    def _industry(self, planet: Planet) -> Iterator[dict[str, Any]]:
        wanted = self._wanted(planet)
        is_hauler = planet.product.kind is ProductKind.SHIP
        if is_hauler != (wanted == HAULER) or (
            not is_hauler and planet.product != Product(ProductKind(wanted))
        ):
            yield {"op": "produce", "planet": f"#{planet.id}", "product": wanted}

    def _wanted(self, planet: Planet) -> str:
        if planet.industry < _FULL * planet.population:
            return ProductKind.CAP
        rich = planet.population > _FULL * planet.size and planet.industry >= 200.0
        if rich and planet.colonists > self._waiting_room(planet) and self._wishes():
            return HAULER
        # Drive first and most: everything else a race without enemies does is to arrive sooner with more.
        cycle = (ProductKind.DRIVE, ProductKind.CARGO, ProductKind.DRIVE, ProductKind.SHIELDS)
        kind = cycle[(self._world.turn // 3 + planet.id) % len(cycle)]
        return (
            kind if planet.product.kind not in RESEARCH or self._world.turn % 3 == 0 else planet.product.kind
        )

    def _wishes(self) -> bool:
        return bool(self._targets) or any(self._is_hungry(planet) for planet in self._own)

    def _waiting_room(self, planet: Planet) -> float:
        """Return how many colonists the idle haulers at the planet could take at once."""
        room = 0.0
        for group in self._race.groups:
            if group.planet == planet.id and group.destination is None and self._is_hauler(group.type_id):
                room += group.ships * self._room(group.tech.cargo)
        return room

    def _supply(self, planet: Planet) -> Iterator[dict[str, Any]]:
        """Full planets send capital, and colonists where nobody settles any more, to the nearest that lack them."""
        full = planet.population > _FULL * planet.size and planet.industry > _FULL * planet.population
        wanted: dict[RouteKind, int] = {}
        hungry = [other for other in self._own if self._is_hungry(other) and other.id != planet.id]
        if full and hungry and planet.industry >= 200.0:
            nearest = min(hungry, key=lambda other: (numbers.distance(planet, other), other.id))
            wanted[RouteKind.CAP] = nearest.id
            if not self._targets:
                wanted[RouteKind.COL] = nearest.id
        home = self._home()
        if home is not None and home.id != planet.id:
            wanted[RouteKind.EMP] = home.id
        present = dict(planet.routes)
        for kind in RouteKind:
            if wanted.get(kind) != present.get(kind):
                order: dict[str, Any] = {"op": "route", "planet": f"#{planet.id}", "kind": kind}
                yield order | ({"destination": f"#{wanted[kind]}"} if kind in wanted else {})

    def _is_hungry(self, planet: Planet) -> bool:
        return planet.population < 0.5 * planet.size or planet.industry < 0.5 * planet.population

    def _home(self) -> Planet | None:
        return max(self._own, key=lambda planet: (planet.industry, -planet.id), default=None)

    def _expeditions(self) -> Iterator[dict[str, Any]]:
        """Send up to `level` shiploads of colonists a turn to the nearest planets nobody owns."""
        sent = 0
        stocks = {planet.id: planet.colonists for planet in self._own}
        for group in self._race.groups:
            if group.destination is not None or group.goods is not None or not self._is_hauler(group.type_id):
                continue
            room = self._room(group.tech.cargo)
            ships_left = group.ships
            while (
                sent < self._level
                and self._targets
                and ships_left > 0
                and stocks.get(group.planet, 0.0) > room
            ):
                here = self._world.planets[group.planet - 1]
                target = min(self._targets, key=lambda other: (numbers.distance(here, other), other.id))
                self._targets.remove(target)
                ships = max(1, min(ships_left, 4, math.floor(stocks[group.planet] / room)))
                yield {"op": "load", "group": group.number, "goods": "COL", "count": ships}
                # Loading part of a group splits it off; loading all of it leaves the number as it was.
                number = group.number if ships == ships_left else "MAX"
                yield {"op": "send", "group": number, "planet": f"#{target.id}"}
                stocks[group.planet] -= ships * room
                ships_left -= ships
                sent += 1

    def _is_hauler(self, type_id: int) -> bool:
        return self._hauler is not None and self._hauler.id == type_id

    def _room(self, cargo_tech: float) -> float:
        return numbers.capacity(_HAULER_DESIGN["cargo"], cargo_tech, self._world.options.cargo_divisor)
