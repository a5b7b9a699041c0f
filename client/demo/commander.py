"""A scripted player: plain, sensible orders from nothing but his own report.

He scouts with probes, settles the best planets near by, feeds the colonies with colonists and capital by routes, and
studies. Stateless: the same report always gives the same orders.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

PROBE, HAULER, FREIGHTER = "Probe", "Hauler", "Freighter"
_DESIGNS = {PROBE: "1 0 0 0 0", HAULER: "2.5 0 0 0 1", FREIGHTER: "6 0 0 0 4"}

# Ships sent with the first colonists of a planet: 5 x 1.1 units are 44 people's worth.
_SETTLERS = 5
_SCOUTING_RANGE = 70.0
_SETTLING_RANGE = 45.0
_HAULERS_WANTED = 40

Row = dict[str, Any]


@dataclass(frozen=True)
class Character:
    """What tells one scripted player from another."""

    capital: str
    colony_names: tuple[str, ...]
    studies: tuple[str, ...]


PIONEER = Character(
    "Terra",
    (
        *("Aurora", "Calypso", "Meridian", "Halcyon", "Solace", "Verdant", "Ember", "Zephyr"),
        *("Lumen", "Arcadia", "Borealis", "Cinder", "Dawn", "Elysium", "Fable", "Glimmer"),
    ),
    ("DRIVE", "CARGO", "DRIVE"),
)
SCHOLAR = Character(
    "Vega",
    (
        *("Umbra", "Nadir", "Thule", "Obsidian", "Karst", "Fjord", "Tundra", "Basalt"),
        *("Sable", "Gloam", "Moraine", "Onyx", "Quill", "Rime", "Shale", "Talus"),
    ),
    ("DRIVE", "SHIELDS", "CARGO", "WEAPONS"),
)


class Commander:
    """Writes the orders of one player."""

    def __init__(self, character: Character) -> None:
        self._character = character

    def orders(self, report: Row) -> str:
        """Return the orders for the turn after the reported one, one a line."""
        return "\n".join(_Plan(self._character, report).lines()) + "\n"


class _Plan:
    """One turn's thinking."""

    def __init__(self, character: Character, report: Row) -> None:
        self._character = character
        self._turn = report["turn"] + 1
        self._designs = {design["name"] for design in report["types"]}
        self._own = sorted(report["planets"], key=lambda planet: (-planet["size"], planet["id"]))
        self._groups: list[Row] = report["groups"]
        self._routes = {(route["planet"], route["kind"]): route["destination"] for route in report["routes"]}
        self._unowned: list[Row] = report["unowned_planets"]
        self._unidentified: list[Row] = report["unidentified_planets"]
        self._all = {
            planet["id"]: planet
            for planet in [*self._own, *self._unowned, *self._unidentified, *report["foreign_planets"]]
        }
        # Grown worlds, the largest first: what colonies live on.
        self._homes = [
            planet
            for planet in self._own
            if planet["size"] >= 200 and planet["population"] >= 0.9 * planet["size"]
        ]
        self._bound = {group["destination"] for group in self._groups if group["destination"] is not None}

    def lines(self) -> Iterator[str]:
        """Yield the orders in the order in which the engine should read them."""
        if not self._homes:
            return
        yield from (f"D {name} {parts}" for name, parts in _DESIGNS.items() if name not in self._designs)
        yield from self._name_colonies()
        yield from self._produce()
        yield from self._settle()
        yield from self._scout()
        yield from self._route()

    def _name_colonies(self) -> Iterator[str]:
        taken = {planet["name"] for planet in self._all.values()}
        wished = (self._character.capital, *self._character.colony_names)
        free = (name for name in wished if name not in taken)
        for planet in self._own:
            if planet["name"].isdigit() and (name := next(free, None)):
                yield f"N #{planet['id']} {name}"

    def _produce(self) -> Iterator[str]:
        for place, planet in enumerate(self._homes):
            wanted = self._wanted(place, planet)
            if wanted != planet["production"]:
                yield f"P #{planet['id']} {wanted}"
        for planet in self._own:
            if planet in self._homes:
                continue
            grown = (
                planet["industry"] >= 0.95 * planet["population"]
                and planet["population"] > 0.5 * planet["size"]
            )
            wanted = self._character.studies[0] if grown else "CAP"
            if wanted != planet["production"]:
                yield f"P #{planet['id']} {wanted}"

    def _wanted(self, place: int, planet: Row) -> str:
        study = self._character.studies[(self._turn // 3 + place) % len(self._character.studies)]
        haulers = sum(group["ships"] for group in self._groups if group["type"] == HAULER)
        if place == 0:
            return HAULER if self._turn in {1, 5} and haulers < _HAULERS_WANTED else study
        if place == 1:
            # One turn of probes, one of freighters, then capital for the colonies to come.
            return {1: PROBE, 3: FREIGHTER}.get(self._turn, "CAP")
        return study if planet["industry"] >= 0.95 * planet["population"] else "CAP"

    def _settle(self) -> Iterator[str]:
        """Send loaded haulers to the best planets in reach, each group to one of its own."""
        targets = self._targets()
        for planet in self._homes:
            stock = planet["colonists"]
            for group in self._idle_at(planet["id"], HAULER):
                ships = group["ships"]
                while ships >= 2 and stock >= 2 and targets:
                    sent = min(ships, _SETTLERS, math.ceil(stock / group["capacity"]))
                    yield f"L {group['number']} COL {sent}"
                    # A part that was split off is the newest group; a whole one keeps its number.
                    leaving = "MAX" if sent < ships else group["number"]
                    yield f"S {leaving} #{targets.pop(0)['id']}"
                    ships -= sent
                    stock -= sent * group["capacity"]

    def _targets(self) -> list[Row]:
        home = self._homes[0]

        def worth(planet: Row) -> float:
            # A planet nobody has seen yet may be anything: take it for a poor one.
            size, resources = planet.get("size", 60.0), planet.get("resources", 0.5)
            return float(size * (0.5 + min(resources, 4.0)) / (8 + _distance(home, planet)))

        near = [
            planet
            for planet in self._unowned
            if planet["id"] not in self._settlers_bound()
            and _distance(home, planet) < _SETTLING_RANGE
            and planet.get("size", 60.0) > 40
        ]
        return sorted(near, key=lambda planet: (-worth(planet), planet["id"]))

    def _settlers_bound(self) -> set[int]:
        return {
            group["destination"]
            for group in self._groups
            if group["destination"] is not None and group["goods"] == "COL"
        }

    def _scout(self) -> Iterator[str]:
        """Send every idle probe to the nearest planet that nobody has looked at."""
        unseen = [
            planet
            for planet in [*self._unowned, *self._unidentified]
            if "size" not in planet and planet["id"] not in self._bound
        ]
        for group in self._groups:
            if group["type"] != PROBE or group["destination"] is not None:
                continue
            here = self._all[group["planet"]]
            # One stays where it is, so that the planet stays in sight.
            movable = group["ships"] if here in self._own else group["ships"] - 1
            for _ in range(movable):
                near = [planet for planet in unseen if _distance(here, planet) < _SCOUTING_RANGE]
                if not near:
                    break
                target = min(near, key=lambda planet: (_distance(here, planet), planet["id"]))
                unseen.remove(target)
                yield f"S {group['number']} #{target['id']} 1"

    def _route(self) -> Iterator[str]:
        """Feed the hungriest colony, and bring empty ships home."""
        home = self._homes[0]
        hungry = [planet for planet in self._own if planet["population"] < 0.8 * planet["size"]]
        hungry.sort(key=lambda planet: (_distance(home, planet), planet["id"]))
        if not hungry:
            return
        wishes: dict[tuple[int, str], Row] = {(colony["id"], "EMP"): home for colony in hungry}
        wishes[home["id"], "COL"] = hungry[0]
        if len(self._homes) > 1:
            # Capital goes where most people wait for work, and its ships come back to where it is made.
            source = self._homes[1]
            poor = max(hungry, key=lambda planet: (planet["population"] - planet["industry"], -planet["id"]))
            wishes[source["id"], "CAP"] = poor
            wishes[poor["id"], "EMP"] = source
        for (planet_id, kind), target in wishes.items():
            if self._routes.get((planet_id, kind)) != target["id"]:
                yield f"R #{planet_id} {kind} #{target['id']}"

    def _idle_at(self, planet_id: int, design: str) -> list[Row]:
        return [
            group
            for group in self._groups
            if group["planet"] == planet_id
            and group["type"] == design
            and group["destination"] is None
            and not group["goods"]
        ]


def _distance(one: Row, other: Row) -> float:
    return math.hypot(one["x"] - other["x"], one["y"] - other["y"])
