"""Request bodies: their schemas, and how they become values of the rules."""

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

from engine import schema
from engine.errors import InvalidField, Refused
from engine.rules import computer, options, setup
from engine.rules.orders.reading import ORDERS_MAX, Line, read_json, read_text
from engine.rules.setup import Seat

KIB, MIB = 1024, 1024 * 1024
ORDERS_BYTES_MAX = MIB
LIMITS = {
    "players": setup.PLAYERS_MAX,
    "orders_per_player": ORDERS_MAX,
    "orders_bytes": ORDERS_BYTES_MAX,
    "body_bytes": 256 * KIB,
    "orders_check_body_bytes": 4 * MIB,
    "turn_body_bytes": 32 * MIB,
    "save_bytes": 64 * MIB,
}

_ID = {"type": "string", "minLength": 1, "maxLength": 100}
_LEVEL = {"type": ["integer", "null"], "minimum": computer.LEVELS[0], "maximum": computer.LEVELS[-1]}
_ORDERS = {
    "type": ["object", "null"],
    "additionalProperties": False,
    "required": ["format"],
    "properties": {
        "format": {"type": "string", "enum": ["text", "json"]},
        "text": {"type": "string"},
        "orders": {"type": "array"},
    },
}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


_NEW_GAME = _object(
    ["game_id", "seed", "players"],
    game_id=_ID,
    seed={"type": "string", "minLength": 1, "maxLength": 200},
    options=options.OPTIONS_SCHEMA,
    players={
        "type": "array",
        "minItems": 1,
        "maxItems": setup.PLAYERS_MAX,
        "items": _object(
            ["player_id", "race_name"],
            player_id=_ID,
            race_name={"type": "string", "minLength": 1, "maxLength": 100},
            computer_level=_LEVEL,
        ),
    },
)
_CHECK = _object(["player_id", "turn", "orders"], player_id=_ID, turn={"type": "integer"}, orders=_ORDERS)
_TURN = _object(
    ["request_id", "orders"],
    request_id=_ID,
    dry_run={"type": "boolean"},
    orders={
        "type": "array",
        "maxItems": setup.PLAYERS_MAX,
        "items": _object(["player_id"], player_id=_ID, orders=_ORDERS, final={"type": ["boolean", "null"]}),
    },
)
_REPLACE = _object(["player_id"], player_id=_ID)
_RETIRE = _object(["mode"], mode={"type": "string", "enum": ["computer", "idle"]}, level=_LEVEL)


@dataclass(frozen=True, slots=True)
class NewGame:
    """PUT /v1/game."""

    game_id: str
    seed: str
    options: options.Options
    seats: tuple[Seat, ...]
    digest: str
    """Of the values, not of the bytes: the same request written otherwise is the same request."""


@dataclass(frozen=True, slots=True)
class OrdersCheck:
    """POST /v1/orders:check."""

    player_id: str
    turn: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class TurnRequest:
    """POST /v1/turns/{n}. Orders None: nothing was filed."""

    request_id: str
    orders: tuple[tuple[str, tuple[Line, ...] | None], ...]
    dry_run: bool
    digest: str


@dataclass(frozen=True, slots=True)
class Retirement:
    """POST /v1/players/{p}:retire. A level means a computer race."""

    computer_level: int | None


def new_game(body: Any) -> NewGame:
    """Read the request for a new game."""
    schema.check(_NEW_GAME, body, "")
    chosen = options.from_json(body.get("options", {}))
    seats = tuple(
        Seat(player["player_id"], player["race_name"], player.get("computer_level"))
        for player in body["players"]
    )
    digest = _digest(
        [
            body["game_id"],
            body["seed"],
            options.as_json(chosen),
            [[seat.player_id, seat.race_name, seat.computer_level] for seat in seats],
        ]
    )
    return NewGame(body["game_id"], body["seed"], chosen, seats, digest)


def orders_check(body: Any) -> OrdersCheck:
    """Read the request to check orders."""
    schema.check(_CHECK, body, "")
    return OrdersCheck(body["player_id"], body["turn"], _lines(body["orders"], "orders") or ())


def turn_request(body: Any) -> TurnRequest:
    """Read the request to run a turn."""
    schema.check(_TURN, body, "")
    orders: dict[str, tuple[Line, ...] | None] = {}
    for index, entry in enumerate(body["orders"]):
        if entry["player_id"] in orders:
            raise InvalidField(f"orders[{index}].player_id", "is there twice")
        orders[entry["player_id"]] = _lines(entry.get("orders"), f"orders[{index}].orders")
    return TurnRequest(body["request_id"], tuple(orders.items()), body.get("dry_run", False), _digest(body))


def replacement(body: Any) -> str:
    """Read the request for a new owner; return the new player id."""
    schema.check(_REPLACE, body, "")
    return str(body["player_id"])


def retirement(body: Any) -> Retirement:
    """Read the request to retire a player."""
    schema.check(_RETIRE, body, "")
    if body["mode"] == "idle":
        if body.get("level") is not None:
            raise InvalidField("level", "belongs to mode computer only")
        return Retirement(None)
    return Retirement(body.get("level") or computer.LEVELS[0])


def _lines(orders: Any, path: str) -> tuple[Line, ...] | None:
    if orders is None:
        return None
    wanted, other = ("text", "orders") if orders["format"] == "text" else ("orders", "text")
    if wanted not in orders:
        raise InvalidField(f"{path}.{wanted}", "is missing")
    if other in orders:
        raise InvalidField(f"{path}.{other}", f"does not belong to format {orders['format']}")
    if wanted == "orders":
        return read_json(orders["orders"])
    if len(orders["text"].encode()) > ORDERS_BYTES_MAX:
        raise Refused(
            "body_too_large",
            "The orders are longer than 1 MiB.",
            field=f"{path}.text",
            limit=ORDERS_BYTES_MAX,
        )
    return read_text(orders["text"])


def _digest(value: Any) -> str:
    try:
        return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
    except orjson.JSONEncodeError as error:
        raise Refused("malformed_json", "The body is nested too deeply.") from error
