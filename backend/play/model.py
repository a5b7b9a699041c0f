"""Values of play."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from backend.lobby.model import Game, MissedTurnPolicy
from backend.scheduler.model import TurnCause

NO_ORDERS: Mapping[str, Any] = {"format": "json", "orders": []}
"""An order set that says nothing: not the same as none, which counts as a missed turn."""


class ReportFormat(StrEnum):
    """Forms in which a report is kept."""

    JSON = "json"
    TEXT = "text"


@dataclass(frozen=True)
class OrderSet:
    """What one player filed for one turn."""

    player_id: str
    orders: Mapping[str, Any] | None
    """As sent; None where the player only marked the turn final."""
    final: bool
    stored_at: datetime


@dataclass(frozen=True)
class TurnInputs:
    """What the engine is asked for a turn, byte for byte."""

    game_id: str
    turn: int
    request_id: str
    cause: TurnCause
    body: bytes


@dataclass(frozen=True)
class Turn:
    """A published turn."""

    turn: int
    state_hash: str
    generated_at: datetime


@dataclass(frozen=True)
class Report:
    """One player's report of one turn, in both forms, as the engine sent them."""

    as_json: bytes
    as_text: bytes


def turn_request(game: Game, request_id: str, filed: Mapping[str, OrderSet]) -> Mapping[str, Any]:
    """Return the body of `POST /v1/turns/{n}`: each person who still decides, by seat.

    Who filed nothing is None to the engine, and its rules for idle races count; not so under the policy `hold`, nor for
    somebody who marked the turn final without orders: they were there.
    """
    entries = []
    for member in game.members:
        if not member.decides:
            continue
        mine = filed.get(member.player_id)
        final = mine is not None and mine.final
        orders = mine.orders if mine is not None else None
        if orders is None and (final or game.settings.missed_turn_policy is MissedTurnPolicy.HOLD):
            orders = NO_ORDERS
        entries.append({"player_id": member.player_id, "orders": orders, "final": final})
    return {"request_id": request_id, "orders": entries}


def game_request(game: Game) -> Mapping[str, Any]:
    """Return the body of `PUT /v1/game`."""
    return {
        "game_id": game.game_id,
        "seed": game.seed,
        "options": game.settings.engine_options,
        "players": [
            {
                "player_id": member.player_id,
                "race_name": member.race_name,
                "computer_level": member.computer_level,
            }
            for member in game.members
        ],
    }
