"""The values of a game: planets, races, ship types, groups. All frozen; a turn makes new ones.

Ids: planets are numbered 1..n and races 0..k-1 by position in their tuples; ship types have an id unique within their
race, so that renaming touches one value. Group numbers are what players write in orders.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from engine.rules.options import Options

HIDDEN_OWNER = -1
"""Owner of a planet in a race's known world when all the race knows is that somebody owns it."""


class Goods(StrEnum):
    """What a ship carries; the order is that of loading by routes (rules, 11.4)."""

    COL = "COL"
    CAP = "CAP"
    MAT = "MAT"


class RouteKind(StrEnum):
    """What a route moves: goods, or ships that are empty. Order as in rules, 11.4."""

    COL = "COL"
    CAP = "CAP"
    MAT = "MAT"
    EMP = "EMP"


class ProductKind(StrEnum):
    """What a planet's industry makes."""

    CAP = "CAP"
    MAT = "MAT"
    DRIVE = "DRIVE"
    WEAPONS = "WEAPONS"
    SHIELDS = "SHIELDS"
    CARGO = "CARGO"
    SHIP = "SHIP"


RESEARCH = (ProductKind.DRIVE, ProductKind.WEAPONS, ProductKind.SHIELDS, ProductKind.CARGO)


class RaceStatus(StrEnum):
    """Who stands behind a race, or why nobody does any more."""

    ACTIVE = "active"
    COMPUTER = "computer"
    IDLE = "idle"
    ELIMINATED = "eliminated"
    QUIT = "quit"

    @property
    def plays(self) -> bool:
        """Whether the race still takes part in the game."""
        return self not in {RaceStatus.ELIMINATED, RaceStatus.QUIT}


@dataclass(frozen=True, slots=True)
class Product:
    """A planet's production setting; `type_id` only with SHIP."""

    kind: ProductKind
    type_id: int = 0


CAPITAL = Product(ProductKind.CAP)


@dataclass(frozen=True, slots=True)
class Tech:
    """Technology levels of a race, or of the ships of a group (absent components then have level 0)."""

    drive: float = 1.0
    weapons: float = 1.0
    shields: float = 1.0
    cargo: float = 1.0


@dataclass(frozen=True, slots=True)
class ShipType:
    """A design (rules, 7). Immutable but for its name."""

    id: int
    name: str
    drive: float
    attacks: int
    weapons: float
    shields: float
    cargo: float


@dataclass(frozen=True, slots=True)
class Planet:
    """A planet and everything on its ground. `owner` None: unowned (reports say uninhabited)."""

    id: int
    name: str
    x: float
    y: float
    size: float
    resources: float
    owner: int | None = None
    population: float = 0.0
    industry: float = 0.0
    capital: float = 0.0
    materials: float = 0.0
    colonists: float = 0.0
    product: Product = CAPITAL
    progress: float = 0.0
    spent: float = 0.0
    routes: tuple[tuple[RouteKind, int], ...] = ()
    """At most one destination per kind, kinds in the order of RouteKind."""


@dataclass(frozen=True, slots=True)
class Group:
    """n identical ships. `destination` set and not `under_way`: ordered away, leaves in this turn's movement."""

    number: int
    type_id: int
    ships: int
    tech: Tech
    planet: int
    """Where it is, or where it came from while under way."""
    goods: Goods | None = None
    load: float = 0.0
    """Per ship; 0 exactly when `goods` is None."""
    destination: int | None = None
    remaining: float = 0.0
    under_way: bool = False


@dataclass(frozen=True, slots=True)
class Race:
    """A race with its designs, ships and settings."""

    id: int
    player_id: str
    name: str
    tech: Tech
    status: RaceStatus = RaceStatus.ACTIVE
    computer_level: int | None = None
    former_players: tuple[str, ...] = ()
    peace: tuple[int, ...] = ()
    """Races it is at peace with, ascending; towards all others it is at war."""
    switched_off: tuple[str, ...] = ()
    """Race options that are off, in alphabetical order; all others are on."""
    window: tuple[float, float, float] | None = None
    """Map window x, y, extent; None shows the whole galaxy."""
    types: tuple[ShipType, ...] = ()
    next_type_id: int = 1
    groups: tuple[Group, ...] = ()
    """In creation order, which is the order in which rules process them."""
    missed_turns: int = 0
    mass_produced: float = 0.0
    mass_lost: float = 0.0


@dataclass(frozen=True, slots=True)
class Game:
    """The whole state between two turns."""

    game_id: str
    seed: str
    options: Options
    turn: int
    size: float
    planets: tuple[Planet, ...]
    races: tuple[Race, ...]
    finished: bool = False
    winner: int | None = None
    origin: str = field(default="")
    """Digest of the request that made the game, so that a repeated creation can be told from another one."""
