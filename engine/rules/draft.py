"""The working sheet of one turn: frozen values in replaceable places.

A draft is opened from a game, changed step by step and closed into the next game. It never leaves the turn (or the
forecast) that opened it, so outside this package a game only ever changes as a whole.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from engine.rules import names, numbers
from engine.rules.errors import Refusal
from engine.rules.groups import GroupBook
from engine.rules.model import Game, Group, Planet, Race, ShipType
from engine.rules.orders.reading import Line
from engine.rules.orders.results import OrderResult


@dataclass(frozen=True, slots=True)
class Letter:
    """A message between races; `to` empty: to everyone."""

    sender: int
    to: tuple[int, ...]
    text: str


@dataclass(frozen=True, slots=True)
class News:
    """Something told to one race, or to all when `race` is None."""

    race: int | None
    code: str
    text: str


class Draft:
    """One turn in the making. `acting` are the races whose orders and planets work: all, or one in a forecast."""

    def __init__(self, game: Game, order: tuple[int, ...], lines: Mapping[int, tuple[Line, ...]]) -> None:
        self.game = game
        self.options = game.options
        self.turn = game.turn + 1
        self.acting = order
        self.lines = lines
        self.results: dict[int, dict[int, OrderResult]] = {race.id: {} for race in game.races}
        self.planets = list(game.planets)
        self.races = list(game.races)
        self.groups = [GroupBook(race.groups) for race in game.races]
        self.letters: list[Letter] = []
        self.news: list[News] = []
        self.quitting: set[int] = set()
        self._numbers_by_name = {names.key(planet.name): planet.id for planet in game.planets}

    # -- planets

    def planet(self, number: int) -> Planet:
        """Return planet number 1..n."""
        return self.planets[number - 1]

    def put(self, planet: Planet) -> None:
        """Store a planet anew, under its new name if that changed."""
        former = self.planets[planet.id - 1]
        if former.name != planet.name:
            del self._numbers_by_name[names.key(former.name)]
            self._numbers_by_name[names.key(planet.name)] = planet.id
        self.planets[planet.id - 1] = planet

    def find_planet(self, text: str) -> Planet:
        """Return the planet called so, or of that number after `#`; refuses with E_PLANET."""
        number = self._numbers_by_name.get(names.key(text))
        if text.startswith("#") and text[1:].isascii() and text[1:].isdigit() and len(text) < 12:
            number = int(text[1:])
        if number is None or not 1 <= number <= len(self.planets):
            raise Refusal("E_PLANET", f"There is no planet called {text}.")
        return self.planet(number)

    def planet_name_is_free(self, name: str, number: int) -> bool:
        """Return whether no other planet is called so, nor has it for its number."""
        used_by = self._numbers_by_name.get(names.key(name), number)
        if name.isascii() and name.isdigit():
            return used_by == number and name == str(number)
        return used_by == number

    # -- races

    def find_race(self, text: str) -> Race:
        """Return the race called so; refuses with E_RACE."""
        wanted = names.key(text)
        for race in self.races:
            if names.key(race.name) == wanted:
                return race
        raise Refusal("E_RACE", f"There is no race called {text}.")

    def change(self, race: int, **changes: object) -> None:
        """Replace fields of a race."""
        self.races[race] = replace(self.races[race], **changes)  # type: ignore[arg-type]  # checked by callers' tests

    # -- ship types

    def design(self, race: int, type_id: int) -> ShipType:
        """Return the race's type of that id, which must exist."""
        for design in self.races[race].types:
            if design.id == type_id:
                return design
        raise KeyError(type_id)

    def find_design(self, race: int, text: str) -> ShipType | None:
        """Return the race's type called so."""
        wanted = names.key(text)
        return next((design for design in self.races[race].types if names.key(design.name) == wanted), None)

    # -- groups

    def own_groups(self, race: int) -> Iterator[tuple[int, Group]]:
        """Yield position and group in creation order; groups added meanwhile come too."""
        book = self.groups[race]
        position = 0
        while position < len(book):
            yield position, book[position]
            position += 1

    def capacity(self, race: int, group: Group) -> float:
        """Return the cargo room of one ship of the group."""
        design = self.design(race, group.type_id)
        return numbers.capacity(design.cargo, group.tech.cargo, self.options.cargo_divisor)

    def close(self) -> Game:
        """Return the game as it stands now."""
        return replace(
            self.game,
            turn=self.turn,
            planets=tuple(self.planets),
            races=tuple(replace(race, groups=tuple(self.groups[race.id])) for race in self.races),
        )
