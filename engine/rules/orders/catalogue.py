"""The order catalogue: one table that describes every order (rules, 20.2).

The table is the only description: the text reader, the JSON reader and the JSON Schemas of /v1/info follow it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum
from typing import Any

from engine.rules.orders.model import (
    Break,
    Design,
    Erase,
    Load,
    MailEra,
    MapWindow,
    Message,
    NamePlanet,
    NameRace,
    Order,
    Peace,
    Produce,
    Quit,
    RenameType,
    Scrap,
    Send,
    SetOption,
    SetRoute,
    Unload,
    Upgrade,
    War,
)


class Phase(IntEnum):
    """When in the turn an order runs (rules, 18, steps 2 to 4)."""

    AT_ONCE = 2
    NAMES_AND_UPGRADES = 3
    RACE_NAMES = 4


class Kind(Enum):
    """What a parameter may hold."""

    WORD = "word"
    GROUP = "group"
    COUNT = "count"
    NUMBER = "number"
    SWITCH = "switch"
    WORDS = "words"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter; in text the positional ones stand in this order, a keyword one after its word."""

    name: str
    kind: Kind
    meaning: str
    optional: bool = False
    keyword: str = ""


@dataclass(frozen=True, slots=True)
class Spec:
    """One entry of the catalogue."""

    op: str
    letter: str
    make: Callable[..., Order]
    params: tuple[Param, ...]
    meaning: str
    phase: Phase = Phase.AT_ONCE


class Code(StrEnum):
    """Codes that do not belong to one order alone."""

    OK = "OK"
    SYNTAX = "E_SYNTAX"
    UNKNOWN = "E_UNKNOWN"
    UNSUPPORTED = "E_UNSUPPORTED"
    LIMIT = "E_LIMIT"


_GROUP = Param("group", Kind.GROUP, "group number, or MAX for the highest number at that moment")
_COUNT = Param("count", Kind.COUNT, "how many of its ships; 0 or missing: all", optional=True)
_AMOUNT = Param("amount", Kind.NUMBER, "units per ship", optional=True, keyword="AMOUNT")
_PLANET = Param("planet", Kind.WORD, "planet name, or #number")

CATALOGUE: tuple[Spec, ...] = (
    Spec(
        "message",
        "@",
        Message,
        (
            Param("races", Kind.WORDS, "names of the recipients; empty: everyone", optional=True),
            Param("text", Kind.TEXT, "the message"),
        ),
        "Send a message that arrives with the turn. In text: the lines up to a single @.",
    ),
    Spec("peace", "A", Peace, (Param("race", Kind.WORD, "race name"),), "Be at peace with a race."),
    Spec("war", "W", War, (Param("race", Kind.WORD, "race name"),), "Be at war with a race."),
    Spec(
        "break",
        "B",
        Break,
        (_GROUP, Param("count", Kind.COUNT, "how many ships form the new group")),
        "Split ships off into a new group.",
    ),
    Spec(
        "call", "C", NameRace, (Param("name", Kind.WORD, "new name"),), "Rename your race.", Phase.RACE_NAMES
    ),
    Spec(
        "design",
        "D",
        Design,
        (
            Param("name", Kind.WORD, "name of the type"),
            Param("drive", Kind.NUMBER, "0 or at least 1"),
            Param("attacks", Kind.NUMBER, "number of guns, whole"),
            Param("weapons", Kind.NUMBER, "0 or at least 1"),
            Param("shields", Kind.NUMBER, "0 or at least 1"),
            Param("cargo", Kind.NUMBER, "0 or at least 1"),
        ),
        "Design a ship type.",
    ),
    Spec("erase", "E", Erase, (Param("type", Kind.WORD, "type name"),), "Delete a ship type without ships."),
    Spec(
        "upgrade",
        "G",
        Upgrade,
        (
            _GROUP,
            Param(
                "count", Kind.COUNT, "how many ships; 0: all; missing: as many as can be paid", optional=True
            ),
        ),
        "Bring ships at an own planet to your present technology.",
        Phase.NAMES_AND_UPGRADES,
    ),
    Spec(
        "load",
        "L",
        Load,
        (_GROUP, Param("goods", Kind.WORD, "CAP, MAT or COL"), _COUNT, _AMOUNT),
        "Load goods from the planet.",
    ),
    Spec(
        "map",
        "M",
        MapWindow,
        (
            Param("x", Kind.NUMBER, "left edge"),
            Param("y", Kind.NUMBER, "upper edge"),
            Param("extent", Kind.NUMBER, "side of the window, at least 1"),
        ),
        "Choose the part of the galaxy that the report's map shows.",
    ),
    Spec(
        "name",
        "N",
        NamePlanet,
        (_PLANET, Param("name", Kind.WORD, "new name")),
        "Rename an own planet.",
        Phase.NAMES_AND_UPGRADES,
    ),
    Spec(
        "option",
        "O",
        SetOption,
        (
            Param("name", Kind.WORD, "option name"),
            Param("on", Kind.SWITCH, "in text: NO before the name switches it off", optional=True),
        ),
        "Switch one of your options.",
    ),
    Spec(
        "produce",
        "P",
        Produce,
        (_PLANET, Param("product", Kind.WORD, "CAP, MAT, DRIVE, WEAPONS, SHIELDS, CARGO or a type name")),
        "Set what a planet makes.",
    ),
    Spec(
        "quit", "Q", Quit, (Param("name", Kind.WORD, "your own race name"),), "Leave the game with this turn."
    ),
    Spec(
        "route",
        "R",
        SetRoute,
        (
            _PLANET,
            Param("kind", Kind.WORD, "CAP, MAT, COL or EMP"),
            Param("destination", Kind.WORD, "planet; missing: cancel the route", optional=True),
        ),
        "Set or cancel a cargo route.",
    ),
    Spec(
        "send",
        "S",
        Send,
        (_GROUP, Param("planet", Kind.WORD, "destination"), _COUNT),
        "Send ships to a planet; to where they are: stay.",
    ),
    Spec(
        "rename",
        "T",
        RenameType,
        (Param("type", Kind.WORD, "type name"), Param("name", Kind.WORD, "new name")),
        "Rename a ship type.",
        Phase.NAMES_AND_UPGRADES,
    ),
    Spec("unload", "U", Unload, (_GROUP, _COUNT, _AMOUNT), "Unload goods at the planet."),
    Spec("scrap", "X", Scrap, (_GROUP, _COUNT), "Turn ships into materials on the planet."),
)
"""Every order this engine obeys."""

BY_OP = {spec.op: spec for spec in CATALOGUE}
BY_LETTER = {spec.letter: spec for spec in CATALOGUE}
BY_TYPE: dict[type, Spec] = {spec.make: spec for spec in CATALOGUE if isinstance(spec.make, type)}

LATER = {
    "V": "claim",
    "I": "intercept",
    "H": "recall",
    "J": "join",
    "GIVE": "give",
    "SCIENCE": "science",
    "VOTE": "vote",
}
"""Orders of rules that this engine version does not have: letters and whole words → op."""

MAIL_ERA = ("=", "F", "Y", "Z")


def in_text(order: Order) -> str:
    """Return the order as a line of the text form; of a message only the line that opens it."""
    if isinstance(order, MailEra):
        return "="
    if isinstance(order, SetOption):
        return f"O {order.name}" if order.on else f"O NO {order.name}"
    spec = BY_TYPE[type(order)]
    words = [spec.letter]
    for param in spec.params:
        value = getattr(order, param.name)
        if value is None or param.kind is Kind.TEXT:
            continue
        if param.keyword:
            words.append(param.keyword)
        if param.kind is Kind.WORDS:
            words.extend(value)
        else:
            words.append(repr(value).removesuffix(".0") if isinstance(value, float) else str(value))
    return " ".join(words)


def schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of each order's JSON form, by op."""
    return {spec.op: _schema(spec) for spec in CATALOGUE}


def _schema(spec: Spec) -> dict[str, Any]:
    return {
        "type": "object",
        "description": spec.meaning,
        "additionalProperties": False,
        "properties": {
            "op": {"const": spec.op},
            **{
                param.name: {**_KIND_SCHEMAS[param.kind], "description": param.meaning}
                for param in spec.params
            },
        },
        "required": ["op", *(param.name for param in spec.params if not param.optional)],
        "x-letter": spec.letter,
        "x-text": " ".join((spec.letter, *(_in_text(param) for param in spec.params))),
        "x-phase": int(spec.phase),
    }


def _in_text(param: Param) -> str:
    shown = f"{param.keyword} {param.name}" if param.keyword else param.name
    return f"[{shown}]" if param.optional else shown


_KIND_SCHEMAS: dict[Kind, dict[str, Any]] = {
    Kind.WORD: {"type": "string", "minLength": 1},
    Kind.GROUP: {"anyOf": [{"type": "integer", "minimum": 1}, {"const": "MAX"}]},
    Kind.COUNT: {"type": "integer"},
    Kind.NUMBER: {"type": "number"},
    Kind.SWITCH: {"type": "boolean", "default": True},
    Kind.WORDS: {"type": "array", "items": {"type": "string", "minLength": 1}},
    Kind.TEXT: {"type": "string"},
}
