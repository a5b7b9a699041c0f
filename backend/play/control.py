"""What operators do to games: force a turn, stop, restart, pause, resume; and how they see them."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from backend.cache import TableCache
from backend.leadership.ports import Transactions
from backend.lobby.errors import GameNotFound
from backend.lobby.model import Game, GameState
from backend.lobby.service import OPERATOR_PAUSE, Lobby
from backend.lobby.transitions import GameStates
from backend.lobby.views import GameViews
from backend.play.errors import NotPlaying, TurnNotGenerated
from backend.play.generation import Generated, TurnGenerator
from backend.play.patching import GamePatcher
from backend.runtime.errors import NoRuntime, RuntimeFailure
from backend.runtime.model import OperationKind
from backend.runtime.operations import OperationLog
from backend.runtime.service import EngineDown, Engines
from backend.scheduler.model import ScheduleKind
from backend.scheduler.service import GameClocks
from kit.clock import rfc3339
from kit.postgres import Connection

Audit = Callable[[Connection], Awaitable[None]]
"""Writes down who did it, in the transaction that does it."""
_NOBODY = "00000000-0000-0000-0000-000000000000"


class GameControl:
    """Use cases of operators."""

    def __init__(
        self,
        transactions: Transactions,
        cache: TableCache[str, Game],
        states: GameStates,
        lobby: Lobby,
        views: GameViews,
        clocks: GameClocks,
        engines: Engines,
        operations: OperationLog,
        generator: TurnGenerator,
        patcher: GamePatcher,
    ) -> None:
        self._transactions = transactions
        self._cache = cache
        self._states = states
        self._lobby = lobby
        self._views = views
        self._clocks = clocks
        self._engines = engines
        self._operations = operations
        self._generator = generator
        self._patcher = patcher

    async def list(
        self, state: GameState | None, limit: int, offset: int
    ) -> tuple[list[dict[str, Any]], int]:
        """Return a page of all games, newest first, and how many there are."""
        games = [game for game in self._cache if state is None or game.state is state]
        games.sort(key=lambda game: game.game_id, reverse=True)
        async with self._transactions.read() as connection:
            return await self._views.many(connection, games[offset : offset + limit], _NOBODY), len(games)

    async def get(self, game_id: str) -> dict[str, Any]:
        """Return a game with its runtime record and its moved deadlines. Raises GameNotFound."""
        game = self._cache.find(game_id)
        if game is None:
            raise GameNotFound
        async with self._transactions.read() as connection:
            view = await self._views.one(connection, game, _NOBODY)
            clock = await self._clocks.find(connection, game_id)
            moves = await self._clocks.list_moves(connection, game_id)
        record = self._engines.record_of(game_id)
        view["runtime_record"] = (
            {
                "desired": record.desired,
                "status": record.status,
                "detail": record.detail,
                "engine_version": record.engine_version,
                "container_ref": record.container_ref,
                "skip_next_tick": record.skip_next_tick,
                "failures": record.failures,
                "started_at": rfc3339(record.started_at) if record.started_at else None,
                "restart_at": rfc3339(record.restart_at) if record.restart_at else None,
            }
            if record
            else None
        )
        view["turn_failures"] = clock.failures if clock else 0
        view["deadline_moves"] = [
            {
                "turn": move.turn,
                "from_at": rfc3339(move.from_at),
                "to_at": rfc3339(move.to_at),
                "reason": move.reason,
            }
            for move in moves
        ]
        return view

    async def force_next_turn(self, game_id: str, login: str, audit: Audit) -> dict[str, Any]:
        """Generate the next turn now; a cron game then passes over its next tick.

        Raises GameNotFound, NotPlaying, TurnNotGenerated (the scheduler goes on trying).
        """
        self._known(game_id)
        async with self._operations.record(game_id, OperationKind.FORCE_NEXT_TURN, f"operator:{login}"):
            async with self._transactions.write() as connection:
                game = await self._states.lock(connection, game_id)
                if game.state is not GameState.RUNNING:
                    raise NotPlaying(f"the game is {game.state}", state=game.state)
                await self._clocks.force(connection, game_id)
                record = None
                if game.settings.schedule.kind is ScheduleKind.CRON:
                    record = await self._engines.set_skip(connection, game_id, True)
                await audit(connection)
                due = await self._clocks.list_due(connection, game_id)
            self._engines.committed(record)
            done = await self._generator.generate(due[0]) if due else Generated.NOT_DUE
            # The scheduler may have been quicker with the very turn that was forced; that is no failure.
            if done not in {Generated.PUBLISHED, Generated.NOT_DUE}:
                raise TurnNotGenerated(outcome=done)
        return await self.get(game_id)

    async def pause(self, game_id: str, audit: Audit) -> dict[str, Any]:
        """Stop the clock; only an operator lets it run again. Raises GameNotFound, WrongState."""
        async with self._transactions.write() as connection:
            game = await self._states.lock(connection, game_id)
            game = await self._lobby.pause_in(connection, game, OPERATOR_PAUSE)
            await audit(connection)
        self._states.committed(game, OPERATOR_PAUSE, state_changed=True)
        return await self.get(game_id)

    async def resume(self, game_id: str, login: str, audit: Audit) -> dict[str, Any]:
        """Let the clock and, where it was stopped, the engine run again. Raises GameNotFound, WrongState."""
        async with self._transactions.write() as connection:
            game = await self._states.lock(connection, game_id)
            game = await self._lobby.resume_in(connection, game)
            await audit(connection)
        self._states.committed(game, "resumed", state_changed=True)
        with contextlib.suppress(RuntimeFailure):
            # A failure shows in the record, operators are told, and the reconciler goes on trying.
            await self._engines.start(
                game_id, game.settings.engine_version, f"operator:{login}", keep_wanting=True
            )
        self._clocks.wake()
        return await self.get(game_id)

    async def stop(self, game_id: str, login: str, audit: Audit) -> dict[str, Any]:
        """Stop the engine; a running game is paused with it. Raises GameNotFound, NoRuntime."""
        self._known(game_id)
        if self._engines.record_of(game_id) is None:
            raise NoRuntime
        async with self._transactions.write() as connection:
            game = await self._states.lock(connection, game_id)
            pauses = game.state is GameState.RUNNING
            if pauses:
                game = await self._lobby.pause_in(connection, game, OPERATOR_PAUSE)
            elif game.state is GameState.PAUSED:
                # Whoever paused it: without an engine it is not the owner's to resume.
                game = await self._states.hold(connection, game, OPERATOR_PAUSE)
            await audit(connection)
        self._states.committed(game, OPERATOR_PAUSE, state_changed=pauses)
        try:
            await self._engines.stop(game_id, f"operator:{login}")
        except RuntimeFailure as failure:
            raise TurnNotGenerated(f"it is stopped once the engines answer again: {failure}") from failure
        return await self.get(game_id)

    async def restart(self, game_id: str, login: str, audit: Audit) -> dict[str, Any]:
        """Throw the engine away and start another, which gets the game back from the last save.

        Raises GameNotFound, NoRuntime.
        """
        self._known(game_id)
        async with self._transactions.write() as connection:
            await audit(connection)
        try:
            await self._engines.restart(game_id, f"operator:{login}")
        except EngineDown as error:
            raise NoRuntime from error
        except RuntimeFailure:
            pass  # the operation log and the record tell it; the reconciler goes on trying
        return await self.get(game_id)

    async def patch(self, game_id: str, semver: str, login: str, audit: Audit) -> dict[str, Any]:
        """Move a game to another engine version. Raises GameNotFound, NotPlaying, PatchRefused, PatchDrifted."""
        self._known(game_id)
        await self._patcher.patch(game_id, semver, f"operator:{login}", audit)
        return await self.get(game_id)

    def _known(self, game_id: str) -> None:
        if self._cache.find(game_id) is None:
            raise GameNotFound
