"""Orders and the archive in Postgres. Bodies are kept deflated; what goes in comes out byte for byte."""

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from backend.play.model import OrderSet, Report, ReportFormat, Turn, TurnInputs
from backend.runtime.engine_client import EngineSave
from backend.scheduler.model import TurnCause
from kit.postgres import Connection
from kit.sql import load_queries


class PlayStorage:
    """Rows of `orders`, `turn_inputs`, `turns`, `reports`, `saves`."""

    def __init__(self) -> None:
        self._queries = load_queries(__package__)

    # Orders

    async def put_orders(
        self, connection: Connection, game_id: str, turn: int, player_id: str, orders: orjson.Fragment
    ) -> OrderSet:
        """Store a player's orders; a *final* mark is taken back."""
        row = await connection.fetchrow(self._queries["put_orders"], game_id, turn, player_id, orders)
        return _order_set(row)

    async def set_final(
        self, connection: Connection, game_id: str, turn: int, player_id: str, final: bool
    ) -> OrderSet:
        """Set or withdraw a *final* mark."""
        row = await connection.fetchrow(self._queries["set_final"], game_id, turn, player_id, final)
        return _order_set(row)

    async def find_orders(
        self, connection: Connection, game_id: str, turn: int, player_id: str
    ) -> OrderSet | None:
        """Return what a player filed for a turn."""
        row = await connection.fetchrow(self._queries["find_orders"], game_id, turn, player_id)
        return _order_set(row) if row else None

    async def list_orders(self, connection: Connection, game_id: str, turn: int) -> Mapping[str, OrderSet]:
        """Return what all players filed for a turn, by player id."""
        rows = await connection.fetch(self._queries["list_orders"], game_id, turn)
        return {row["player_id"]: _order_set(row) for row in rows}

    async def finals_of(
        self, connection: Connection, game_ids: Sequence[str]
    ) -> Mapping[str, frozenset[str]]:
        """Return the player ids that are final for the coming turn, by game."""
        finals: dict[str, set[str]] = {}
        for row in await connection.fetch(self._queries["list_finals"], list(game_ids)):
            finals.setdefault(row["game_id"], set()).add(row["player_id"])
        return {game_id: frozenset(players) for game_id, players in finals.items()}

    # Inputs

    async def insert_inputs(self, connection: Connection, inputs: TurnInputs) -> None:
        """Store the inputs of a turn, once and for all."""
        await connection.execute(
            self._queries["insert_inputs"],
            inputs.game_id,
            inputs.turn,
            inputs.request_id,
            inputs.cause,
            zlib.compress(inputs.body),
            hashlib.sha256(inputs.body).hexdigest(),
        )

    async def find_inputs(self, connection: Connection, game_id: str, turn: int) -> TurnInputs | None:
        """Return the inputs of a turn that was begun."""
        row = await connection.fetchrow(self._queries["find_inputs"], game_id, turn)
        if row is None:
            return None
        body = zlib.decompress(row["body_zlib"])
        assert hashlib.sha256(body).hexdigest() == row["body_sha256"], "stored inputs are never changed"
        return TurnInputs(game_id, turn, row["request_id"], TurnCause(row["cause"]), body)

    async def has_inputs(self, connection: Connection, game_id: str, turn: int) -> bool:
        """Tell whether a turn was begun."""
        begun: bool = await connection.fetchval(self._queries["has_inputs"], game_id, turn)
        return begun

    # Archive

    async def insert_turn(
        self,
        connection: Connection,
        game_id: str,
        turn: int,
        state_hash: str,
        engine_version: str,
        summary: Mapping[str, Any],
        reports: Mapping[str, Report],
        save: EngineSave,
    ) -> Turn:
        """Archive a turn with its reports (player id → report) and its save."""
        row = await connection.fetchrow(
            self._queries["insert_turn"], game_id, turn, state_hash, engine_version, summary
        )
        await connection.executemany(
            self._queries["insert_report"],
            [
                (
                    game_id,
                    turn,
                    player_id,
                    zlib.compress(report.as_json),
                    zlib.compress(report.as_text),
                    hashlib.sha256(report.as_json).hexdigest(),
                )
                for player_id, report in reports.items()
            ],
        )
        await connection.execute(
            self._queries["insert_save"],
            game_id,
            turn,
            save.save_format,
            save.sha256,
            len(save.data),
            zlib.compress(save.data),
        )
        return _turn(row)

    async def last_turn(self, connection: Connection, game_id: str) -> Turn | None:
        """Return the newest published turn."""
        row = await connection.fetchrow(self._queries["last_turn"], game_id)
        return _turn(row) if row else None

    async def list_turns(
        self, connection: Connection, game_id: str, limit: int, offset: int
    ) -> tuple[list[Turn], int]:
        """Return a page of the published turns, newest first, and how many there are."""
        rows = await connection.fetch(self._queries["list_turns"], game_id, limit, offset)
        return [_turn(row) for row in rows], rows[0]["total"] if rows else 0

    async def find_report(
        self, connection: Connection, game_id: str, turn: int, player_id: str, form: ReportFormat
    ) -> bytes | None:
        """Return a report as the engine sent it."""
        query = self._queries[f"find_report_{form.value}"]
        body = await connection.fetchval(query, game_id, turn, player_id)
        return zlib.decompress(body) if body is not None else None

    async def find_save(self, connection: Connection, game_id: str, turn: int) -> EngineSave | None:
        """Return the save of a turn."""
        row = await connection.fetchrow(self._queries["find_save"], game_id, turn)
        return (
            EngineSave(row["save_format"], row["sha256"], zlib.decompress(row["data_zlib"])) if row else None
        )


def _order_set(row: Any) -> OrderSet:
    return OrderSet(row["player_id"], row["orders"], row["final"], row["stored_at"])


def _turn(row: Any) -> Turn:
    return Turn(row["turn"], row["state_hash"], row["generated_at"])
