"""Orders as values: one frozen class each, named as in the catalogue."""

from dataclasses import dataclass
from typing import Literal

GroupNumber = int | Literal["MAX"]


@dataclass(frozen=True, slots=True)
class Message:
    races: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Peace:
    race: str


@dataclass(frozen=True, slots=True)
class War:
    race: str


@dataclass(frozen=True, slots=True)
class Break:
    group: GroupNumber
    count: int


@dataclass(frozen=True, slots=True)
class NameRace:
    name: str


@dataclass(frozen=True, slots=True)
class Design:
    name: str
    drive: float
    attacks: float
    weapons: float
    shields: float
    cargo: float


@dataclass(frozen=True, slots=True)
class Erase:
    type: str


@dataclass(frozen=True, slots=True)
class Upgrade:
    group: GroupNumber
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Load:
    group: GroupNumber
    goods: str
    count: int | None = None
    amount: float | None = None


@dataclass(frozen=True, slots=True)
class MapWindow:
    x: float
    y: float
    extent: float


@dataclass(frozen=True, slots=True)
class NamePlanet:
    planet: str
    name: str


@dataclass(frozen=True, slots=True)
class SetOption:
    name: str
    on: bool = True


@dataclass(frozen=True, slots=True)
class Produce:
    planet: str
    product: str


@dataclass(frozen=True, slots=True)
class Quit:
    name: str


@dataclass(frozen=True, slots=True)
class SetRoute:
    planet: str
    kind: str
    destination: str | None = None


@dataclass(frozen=True, slots=True)
class Send:
    group: GroupNumber
    planet: str
    count: int | None = None


@dataclass(frozen=True, slots=True)
class RenameType:
    type: str
    name: str


@dataclass(frozen=True, slots=True)
class Unload:
    group: GroupNumber
    count: int | None = None
    amount: float | None = None


@dataclass(frozen=True, slots=True)
class Scrap:
    group: GroupNumber
    count: int | None = None


@dataclass(frozen=True, slots=True)
class MailEra:
    """An order about accounts, which the platform owns now: taken without effect."""


Order = (
    Message
    | Peace
    | War
    | Break
    | NameRace
    | Design
    | Erase
    | Upgrade
    | Load
    | MapWindow
    | NamePlanet
    | SetOption
    | Produce
    | Quit
    | SetRoute
    | Send
    | RenameType
    | Unload
    | Scrap
    | MailEra
)
