"""Generator `ng`: homes in a disc, fair surroundings for everyone, small planets anywhere (rules, 4.1)."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from engine.rules import exact
from engine.rules.errors import BadSetup
from engine.rules.model import Planet, Product, ProductKind
from engine.rules.options import Options
from engine.rules.streams import Purpose, Stream

HOME_RESOURCES = 10.0
_TRIES = 4000
_SIZES_TRIED = 200


@dataclass(frozen=True, slots=True)
class Galaxy:
    """A fresh map."""

    size: float
    planets: tuple[Planet, ...]


def suggested_size(races: int) -> float:
    """Return the map side for a number of races: 42 ly per column of races, cut to tens, 100 at least."""
    columns = math.isqrt(max(races, 1) - 1) + 1
    return float(max(100, 42 * columns // 10 * 10))


def generate(seed: str, options: Options, races: int) -> Galaxy:
    """Draw the galaxy of a game.

    A given size is kept to: BadSetup when the homes do not fit. Without one the suggestion grows until they do, for
    the suggested map is crowded enough that one seed in some fails.
    """
    if options.size is not None:
        return _draw(seed, options, options.size, races)
    suggested = suggested_size(races)
    for growth in range(_SIZES_TRIED):
        try:
            return _draw(seed, options, suggested + 10.0 * growth, races)
        except BadSetup:
            if options.homes is not None:
                raise
    raise BadSetup("options.race_spacing", "No map is large enough for this spacing; give a size.")


def _draw(seed: str, options: Options, size: float, races: int) -> Galaxy:
    return _Generator(Stream(seed, 0, Purpose.GALAXY, f"{size:g}"), options, size).run(races)


class _Generator:
    def __init__(self, stream: Stream, options: Options, size: float) -> None:
        self._stream = stream
        self._options = options
        self._size = size
        self._taken: set[tuple[float, float]] = set()
        self._planets: list[Planet] = []

    def run(self, races: int) -> Galaxy:
        homes = self._options.homes
        if homes is not None and len(homes) != races:
            raise BadSetup("options.homes", "One list of homes is needed for each race.")
        for race in range(races):
            centre = self._drawn_homes(race) if homes is None else self._given_homes(race, homes[race])
            self._growth_planets(centre)
            self._stuff_planets()
        return Galaxy(self._size, self._numbered())

    def _given_homes(self, race: int, homes: tuple[tuple[float, float, float], ...]) -> Planet:
        for x, y, size in homes:
            place = (exact.cut_two_decimals(x), exact.cut_two_decimals(y))
            if place in self._taken or not self._inside(place):
                raise BadSetup("options.homes", "Homes lie inside the map, each at its own place.")
            self._home(race, place, size)
        return self._planets[-len(homes)]

    def _drawn_homes(self, race: int) -> Planet:
        owned = [planet for planet in self._planets if planet.owner is not None]
        middle = self._size / 2.0

        def far_enough(place: tuple[float, float]) -> bool:
            return all(
                exact.hypotenuse(place[0] - other.x, place[1] - other.y) > self._options.race_spacing
                for other in owned
            )

        place = self._place((middle, middle), 0.0, middle - 4.0, far_enough)
        first = self._home(race, place, self._options.home_sizes[0])
        for size in self._options.home_sizes[1:]:
            self._home(race, self._place(place, 1.0, self._options.secondary_radius), size)
        return first

    def _home(self, race: int, place: tuple[float, float], size: float) -> Planet:
        product = Product(ProductKind(self._options.initial_production))
        return self._add(
            Planet(
                0,
                "",
                *place,
                size,
                HOME_RESOURCES,
                owner=race,
                population=size,
                industry=size,
                product=product,
            )
        )

    def _growth_planets(self, centre: Planet) -> None:
        radius = self._options.empty_radius or self._options.race_spacing / 2.0
        for size in self._growth_sizes(self._options.empty_planets):
            place = self._place((centre.x, centre.y), 0.2, max(radius, 1.0))
            resources = 0.3 + exact.power(8.0, self._stream.between(-1.0, 1.0))
            self._add(Planet(0, "", *place, size, exact.cut_two_decimals(resources)))

    def _growth_sizes(self, count: int) -> list[float]:
        """Draw sizes, then nudge them one at a time until every race's surroundings hold about the same."""
        sizes = [self._stream.between(80.0, 1000.0) for _ in range(count)]
        while not 600.0 * count <= (total := math.fsum(sizes)) <= 700.0 * count:
            index = self._stream.below(count)
            step = self._stream.between(7.5, 12.5)
            changed = sizes[index] + (step if total < 600.0 * count else -step)
            if 20.0 <= changed <= 980.0:
                sizes[index] = changed
        return sizes

    def _stuff_planets(self) -> None:
        for _ in range(self._options.stuff_planets):
            place = self._spot(
                lambda: (self._stream.between(0.0, self._size), self._stream.between(0.0, self._size))
            )
            size = 2.0 + self._stream.between(0.0, 170.0)
            resources = exact.power(2.0, self._stream.between(-1.0, 1.0))
            self._add(Planet(0, "", *place, size, exact.cut_two_decimals(resources)))

    def _place(
        self,
        centre: tuple[float, float],
        nearest: float,
        farthest: float,
        accept: Callable[[tuple[float, float]], bool] = lambda _: True,
    ) -> tuple[float, float]:
        def draw() -> tuple[float, float]:
            angle = self._stream.between(0.0, 2.0 * math.pi)
            radius = self._stream.between(nearest, farthest)
            return centre[0] + radius * exact.cosine(angle), centre[1] + radius * exact.sine(angle)

        return self._spot(draw, accept)

    def _spot(
        self,
        draw: Callable[[], tuple[float, float]],
        accept: Callable[[tuple[float, float]], bool] = lambda _: True,
    ) -> tuple[float, float]:
        for _ in range(_TRIES):
            x, y = draw()
            if not self._inside((x, y)):
                continue
            place = (exact.cut_two_decimals(x), exact.cut_two_decimals(y))
            if place not in self._taken and accept(place):
                return place
        raise BadSetup(
            "options.size", "The map is too small for these races: no room for another home or planet."
        )

    def _inside(self, place: tuple[float, float]) -> bool:
        return 0.0 <= place[0] < self._size and 0.0 <= place[1] < self._size

    def _add(self, planet: Planet) -> Planet:
        self._taken.add((planet.x, planet.y))
        self._planets.append(planet)
        return planet

    def _numbered(self) -> tuple[Planet, ...]:
        """Number the planets in random order: homes too, or their numbers would tell which race lives where."""
        order = self._stream.shuffled(self._planets)
        return tuple(
            replace(planet, id=number, name=str(number)) for number, planet in enumerate(order, start=1)
        )
