"""What a map shows, read from a report: places, routes, ships under way, and how the races stand."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Sight(StrEnum):
    """How well a planet is known."""

    OWN = "own"
    FOREIGN = "foreign"  # seen, and somebody else's
    UNIDENTIFIED = "unidentified"  # somebody's, but nobody of ours is there
    UNOWNED = "unowned"  # seen, and nobody's
    UNKNOWN = "unknown"  # nobody's, and never looked at


@dataclass(frozen=True)
class Place:
    """A planet as far as it is known."""

    id: int
    name: str
    x: float
    y: float
    sight: Sight
    owner: str | None = None
    size: float | None = None
    population: float = 0.0

    @property
    def is_named(self) -> bool:
        """Tell whether somebody gave it a name of its own."""
        return not self.name.isdigit()


@dataclass(frozen=True)
class Route:
    """Goods, or empty ships, that go from one planet to another."""

    origin: int
    destination: int
    goods: str


@dataclass(frozen=True)
class Flight:
    """Own ships between planets."""

    x: float
    y: float
    origin: int
    destination: int
    ships: int
    design: str
    goods: str | None


@dataclass(frozen=True)
class Sighting:
    """Foreign ships in hyperspace, as precisely as they are known: the middle of a cell of the map's grid."""

    x: float
    y: float


@dataclass(frozen=True)
class Standing:
    """How a race stands; figures are None where they are secret."""

    race: str
    status: str
    attitude: str | None
    planets: int | None = None
    population: float | None = None
    industry: float | None = None
    drive: float | None = None


@dataclass(frozen=True)
class Chart:
    """Everything that a map needs."""

    game_id: str
    turn: int
    race: str
    size: float
    places: tuple[Place, ...]
    routes: tuple[Route, ...]
    flights: tuple[Flight, ...]
    sightings: tuple[Sighting, ...]
    standings: tuple[Standing, ...]

    def place(self, planet_id: int) -> Place | None:
        """Return a planet by its id."""
        return next((place for place in self.places if place.id == planet_id), None)


def read_chart(report: dict[str, Any]) -> Chart:
    """Read the parts of a report (JSON form) that a map shows. Raises KeyError where it is no report."""
    race = report["race"]
    return Chart(
        game_id=report["game_id"],
        turn=report["turn"],
        race=race,
        size=float(report["map"]["size"]),
        places=tuple(_places(report, race)),
        routes=tuple(
            Route(route["planet"], route["destination"], route["kind"]) for route in report["routes"]
        ),
        flights=tuple(
            Flight(
                group["x"],
                group["y"],
                group["planet"],
                group["destination"],
                group["ships"],
                group["type"],
                group["goods"],
            )
            for group in report["groups"]
            if group["under_way"] and group["destination"] is not None
        ),
        sightings=tuple(_sightings(report["map"])),
        standings=tuple(
            Standing(
                row["race"],
                row["status"],
                row["attitude"],
                row.get("planets"),
                row.get("population"),
                row.get("industry"),
                row.get("drive"),
            )
            for row in report["races"]
        ),
    )


def _places(report: dict[str, Any], race: str) -> list[Place]:
    def place(row: dict[str, Any], sight: Sight, owner: str | None) -> Place:
        return Place(
            row["id"],
            row["name"],
            row["x"],
            row["y"],
            sight,
            owner,
            row.get("size"),
            row.get("population", 0.0),
        )

    return [
        *(place(row, Sight.OWN, race) for row in report["planets"]),
        *(place(row, Sight.FOREIGN, row["owner"]) for row in report["foreign_planets"]),
        *(place(row, Sight.UNIDENTIFIED, None) for row in report["unidentified_planets"]),
        *(
            place(row, Sight.UNOWNED if "size" in row else Sight.UNKNOWN, None)
            for row in report["unowned_planets"]
        ),
    ]


def _sightings(grid: dict[str, Any]) -> list[Sighting]:
    window = grid["window"]
    wide, high = window["extent"] / grid["columns"], window["extent"] / grid["rows"]
    return [
        Sighting(window["x"] + (column + 0.5) * wide, window["y"] + (row + 0.5) * high)
        for column, row in grid["dots"]
    ]
