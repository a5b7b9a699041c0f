"""Checks of orders at engines: few at a time, so that nobody's checks keep others, or turns, waiting."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from backend.lobby.model import Game
from backend.play.engine_state import EngineStates
from backend.play.errors import CheckBusy, EngineUnavailable, OrdersRefused
from backend.runtime.engine_client import EngineError, EngineRefused
from backend.runtime.errors import ContainersAway
from backend.runtime.locks import GameLocks
from backend.runtime.service import EngineDown

CHECK_TIMEOUT_SECONDS = 7.0
"""Shorter than gateways wait for us: who waits for a busy engine, or for its lock, still hears that orders are stored."""
CHECKS_PER_GAME_MAX = 8
"""Under way for one game, the one at the engine among them. The longest order set takes an engine about half a second, so
that the last in line is answered in time."""


class OrderChecks:
    """Asks engines for verdicts. A player has one check under way, a game a few, and an engine is given one at a time."""

    def __init__(self, engine_states: EngineStates) -> None:
        self._engine_states = engine_states
        self._asking: set[tuple[str, str]] = set()
        self._of_game: Counter[str] = Counter()
        self._lines = GameLocks()

    async def verdicts(self, game: Game, player_id: str, turn: int, orders: Any) -> Mapping[str, Any]:
        """Return verdicts and forecast for one player's orders, within CHECK_TIMEOUT_SECONDS.

        Raises CheckBusy at once where too many are under way; OrdersRefused, EngineUnavailable.
        """
        body = {"player_id": player_id, "turn": turn, "orders": orders}
        try:
            async with (
                self._admitted(game.game_id, player_id),
                asyncio.timeout(CHECK_TIMEOUT_SECONDS),
                self._lines.hold(game.game_id),
            ):
                return await self._ask(game, turn, body)
        except EngineRefused as refusal:
            if refusal.code in {"invalid_field", "malformed_json", "body_too_large"}:
                raise OrdersRefused(refusal.message, **dict(refusal.details)) from refusal
            raise EngineUnavailable(retry_after_seconds=5) from refusal
        except (EngineError, EngineDown, ContainersAway, TimeoutError) as error:
            raise EngineUnavailable(retry_after_seconds=5) from error

    async def _ask(self, game: Game, turn: int, body: Mapping[str, Any]) -> Mapping[str, Any]:
        # The check itself needs no lock: an engine that is replaced or turned meanwhile does not answer it wrongly.
        client = self._engine_states.seen(game.game_id, turn - 1)
        if client is not None:
            try:
                return await client.check(body)
            except EngineRefused as refusal:
                if refusal.code not in {"no_game", "wrong_turn"}:
                    raise
        async with self._engine_states.hold(game.game_id):
            client = await self._engine_states.ready(game)
        return await client.check(body)

    @asynccontextmanager
    async def _admitted(self, game_id: str, player_id: str) -> AsyncIterator[None]:
        asking = game_id, player_id
        if asking in self._asking or self._of_game[game_id] >= CHECKS_PER_GAME_MAX:
            raise CheckBusy(retry_after_seconds=1)
        self._asking.add(asking)
        self._of_game[game_id] += 1
        try:
            yield
        finally:
            self._asking.discard(asking)
            self._of_game[game_id] -= 1
            if not self._of_game[game_id]:
                del self._of_game[game_id]
