"""Options of a game: one table that is the JSON Schema, the defaults and the typed value (rules, 1).

Only what this engine's chapters obey is offered; options of later chapters are absent rather than ignored.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

PRESETS = ("ng",)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one game with the defaults of preset `ng`. `size` None means the suggested size."""

    preset: str = "ng"
    size: float | None = None
    race_spacing: float = 30.0
    home_sizes: tuple[float, ...] = (1000.0, 500.0, 250.0)
    secondary_radius: float = 3.0
    empty_planets: int = 6
    empty_radius: float | None = None
    stuff_planets: int = 8
    homes: tuple[tuple[tuple[float, float, float], ...], ...] | None = None
    initial_tech: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    initial_production: str = "DRIVE"
    cargo_divisor: float = 10.0
    cargo_tech_cost: float = 2500.0
    large_ship_tolerance: float = 0.01
    keep_production: bool = False
    foreign_load: bool = False
    foreign_colonists: bool = True
    peace_turns: int = 0
    teams: tuple[tuple[str, ...], ...] = ()
    player_order: str = "random"
    drop_idle: bool = True
    idle_first_turn: bool = True
    idle_early: int = 3
    idle_early_until: int = 10
    idle_late: int = 6
    max_turns: int | None = None
    public_status: bool = True


def _number(low: float, high: float, text: str, *, optional: bool = False) -> dict[str, Any]:
    kinds: Any = ["number", "null"] if optional else "number"
    return {"type": kinds, "minimum": low, "maximum": high, "description": text}


def _whole(low: int, high: int, text: str, *, optional: bool = False) -> dict[str, Any]:
    kinds: Any = ["integer", "null"] if optional else "integer"
    return {"type": kinds, "minimum": low, "maximum": high, "description": text}


def _switch(text: str) -> dict[str, Any]:
    return {"type": "boolean", "description": text}


_HOME = {
    "type": "array",
    "minItems": 3,
    "maxItems": 3,
    "items": {"type": "number", "minimum": 0, "maximum": 10000},
}
_PRODUCTS = ["CAP", "MAT", "DRIVE", "WEAPONS", "SHIELDS", "CARGO"]

_PROPERTIES: dict[str, dict[str, Any]] = {
    "preset": {"type": "string", "enum": list(PRESETS), "description": "The family of rules."},
    "size": _number(
        20, 10_000, "Side of the map in light years; null: suggested from the races.", optional=True
    ),
    "race_spacing": _number(0, 1_000, "Least distance of a first home from every owned planet."),
    "home_sizes": {
        "type": "array",
        "minItems": 1,
        "maxItems": 8,
        "items": {"type": "number", "minimum": 1, "maximum": 10_000},
        "description": "Sizes of the home planets of each race, the first home first.",
    },
    "secondary_radius": _number(
        1.5, 100, "Farther homes lie between 1 and this many light years from the first."
    ),
    "empty_planets": _whole(0, 50, "Growth planets around each first home."),
    "empty_radius": _number(
        1, 1_000, "Growth planets lie within this; null: half the spacing.", optional=True
    ),
    "stuff_planets": _whole(0, 50, "Small planets per race, anywhere on the map."),
    "homes": {
        "type": ["array", "null"],
        "maxItems": 100,
        "items": {"type": "array", "minItems": 1, "maxItems": 8, "items": _HOME},
        "description": "Explicit homes: for each race a list of [x, y, size]; null: drawn.",
    },
    "initial_tech": {
        "type": "array",
        "minItems": 4,
        "maxItems": 4,
        "items": {"type": "number", "minimum": 1, "maximum": 100},
        "description": "Drive, weapons, shields and cargo of every race at the start.",
    },
    "initial_production": {"type": "string", "enum": _PRODUCTS, "description": "Product of homes at turn 0."},
    "cargo_divisor": _number(1, 100, "Capacity is C + C*C / this."),
    "cargo_tech_cost": _number(1, 100_000, "Points that raise cargo technology by 1."),
    "large_ship_tolerance": _number(0, 0.4, "Mass that types above 49.5 need not be paid for."),
    "keep_production": _switch("Progress survives a change of production, besides the refund."),
    "foreign_load": _switch("Ships may load at planets of other races."),
    "foreign_colonists": _switch("Colonists may land on planets of other races."),
    "peace_turns": _whole(0, 1_000, "No declaration of war in turns 1..n."),
    "teams": {
        "type": "array",
        "maxItems": 100,
        "items": {
            "type": "array",
            "minItems": 2,
            "maxItems": 100,
            "items": {"type": "string", "minLength": 1, "maxLength": 40},
        },
        "description": "Lists of race names that start at peace with each other.",
    },
    "player_order": {
        "type": "string",
        "enum": ["random", "fixed"],
        "description": "Order of races in a turn.",
    },
    "drop_idle": _switch("Races whose orders keep missing leave the game."),
    "idle_first_turn": _switch("Missing orders for turn 1 remove the race at once."),
    "idle_early": _whole(1, 100, "Missed turns in a row that remove a race in the early turns."),
    "idle_early_until": _whole(0, 10_000, "The last early turn."),
    "idle_late": _whole(1, 100, "Missed turns in a row that remove a race later."),
    "max_turns": _whole(
        1, 10_000, "The game ends with a ranking after this turn; null: no limit.", optional=True
    ),
    "public_status": _switch("Everyone sees every race's technology and totals."),
}


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _with_defaults() -> dict[str, Any]:
    defaults = asdict(Options())
    return {name: {**part, "default": _plain(defaults[name])} for name, part in _PROPERTIES.items()}


OPTIONS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": _with_defaults(),
}
"""What PUT /v1/game checks its options against and /v1/info publishes."""


def from_json(values: Mapping[str, Any]) -> Options:
    """Make typed options from a mapping that satisfies OPTIONS_SCHEMA; what is missing takes its default.

    Whole numbers given for a quantity become floats, so that `100` and `100.0` make the same game.
    """
    return Options(
        **{
            field.name: _typed(field.name, values[field.name])
            for field in fields(Options)
            if field.name in values
        }
    )


def as_json(options: Options) -> dict[str, Any]:
    """Return the options as plain JSON values, every one of them, in the order of the table."""
    return {name: _plain(value) for name, value in asdict(options).items()}


def in_bounds(options: Options) -> bool:
    """Return whether single values lie where the table allows them; lists only matter before the first turn."""
    for name, part in _PROPERTIES.items():
        value = getattr(options, name)
        if "enum" in part and value not in part["enum"]:
            return False
        if "minimum" in part and value is not None and not part["minimum"] <= value <= part["maximum"]:
            return False
    return True


def _typed(name: str, value: Any) -> Any:
    kinds = _PROPERTIES[name]["type"]
    if "number" in kinds and value is not None:
        return float(value)
    if isinstance(value, list):
        return tuple(_floats(item) for item in value)
    return value


def _floats(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_floats(item) for item in value)
    return float(value) if isinstance(value, int) else value
