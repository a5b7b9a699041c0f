"""Telling players that a deadline moved."""

from collections.abc import Sequence

from backend.cache import TableCache
from backend.lobby.model import Game
from backend.lobby.transitions import GameStates
from backend.scheduler.model import Move
from backend.telemetry import GameMetrics
from kit.clock import rfc3339
from kit.logs import get_logger

_log = get_logger("scheduler")


class MoveNotices:
    """Signals members; the moves themselves are rows that anybody may read later."""

    def __init__(self, cache: TableCache[str, Game], states: GameStates, metrics: GameMetrics) -> None:
        self._cache = cache
        self._metrics = metrics
        self._states = states

    def moved(self, moves: Sequence[Move]) -> None:
        """Tell, after the commit."""
        for move in moves:
            _log.info(
                "deadline_moved",
                game_id=move.game_id,
                turn=move.turn,
                from_at=rfc3339(move.from_at),
                to_at=rfc3339(move.to_at),
                reason=move.reason,
            )
            self._metrics.deadline_moved(move.reason)
            game = self._cache.find(move.game_id)
            if game is not None:
                self._states.deadline_moved(game, move.turn - 1)
