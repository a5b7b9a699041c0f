"""Moving a game to another engine version: replayed there before it counts, put back where anything differs."""

from collections.abc import Awaitable, Callable

from backend.engine_versions.model import precedence
from backend.engine_versions.service import EngineVersions
from backend.leadership.ports import Transactions
from backend.lobby.model import Game, GameState
from backend.lobby.transitions import GameStates
from backend.play.engine_state import EngineStates
from backend.play.errors import NotPlaying, PatchDrifted, PatchRefused
from backend.play.model import game_request
from backend.play.ports import GameRows
from backend.play.storage import PlayStorage
from backend.runtime.engine_client import EngineClients, EngineError
from backend.runtime.errors import RuntimeFailure
from backend.runtime.model import Endpoint, OperationKind
from backend.runtime.operations import OperationLog
from backend.runtime.service import Engines
from kit.logs import get_logger
from kit.postgres import Connection

_log = get_logger("play")
Audit = Callable[[Connection], Awaitable[None]]


class GamePatcher:
    """Patches games. Until the last commit the game stands on its old version: a crash anywhere leaves it there."""

    def __init__(
        self,
        transactions: Transactions,
        storage: PlayStorage,
        games: GameRows,
        states: GameStates,
        versions: EngineVersions,
        engines: Engines,
        clients: EngineClients,
        operations: OperationLog,
        engine_states: EngineStates,
    ) -> None:
        self._transactions = transactions
        self._storage = storage
        self._games = games
        self._states = states
        self._versions = versions
        self._engines = engines
        self._clients = clients
        self._operations = operations
        self._engine_states = engine_states

    async def patch(self, game_id: str, semver: str, requested_by: str, audit: Audit) -> None:
        """Move a game to an enabled version of the same major; no turn is generated and no order checked meanwhile.

        The new engine is given the save of turn n − 1 and the stored inputs of turn n; only if it comes to the same state
        does the game move. Raises GameNotFound, NotPlaying, PatchRefused, PatchDrifted (the old version runs again).
        """
        async with self._engine_states.hold(game_id):
            async with self._transactions.read() as connection:
                game = await self._games.find(connection, game_id)
            self._check(game, semver)
            assert game is not None
            old = game.settings.engine_version
            async with self._operations.record(game_id, OperationKind.PATCH, requested_by):
                try:
                    endpoint = await self._engines.replace(game_id, semver, requested_by)
                    await self._replay(game, endpoint)
                except (RuntimeFailure, EngineError, PatchDrifted) as error:
                    await self._put_back(game_id, old, requested_by)
                    raise PatchDrifted(
                        f"version {semver} did not come to the same state; {old} runs again",
                        reason=str(error)[:300],
                    ) from error
                async with self._transactions.write() as connection:
                    await self._states.lock(connection, game_id)
                    await self._games.set_engine_version(connection, game_id, semver)
                    await audit(connection)
                    game = await self._states.reread(connection, game_id)
            self._states.committed(game, "patched")
            _log.info("game_patched", game_id=game_id, from_version=old, to_version=semver)

    def _check(self, game: Game | None, semver: str) -> None:
        if game is None or game.state not in {GameState.RUNNING, GameState.PAUSED}:
            raise NotPlaying
        old = game.settings.engine_version
        if not self._versions.is_enabled(semver):
            raise PatchRefused("this engine version is not enabled", engine_version=semver)
        if semver == old or precedence(semver)[0] != precedence(old)[0]:
            raise PatchRefused(
                f"{semver} is no other version of the same major as {old}", engine_version=semver
            )

    async def _replay(self, game: Game, endpoint: Endpoint) -> None:
        client = self._clients.of(endpoint)
        async with self._transactions.read() as connection:
            last = await self._storage.last_turn(connection, game.game_id)
            assert last is not None, "a game that is played has a turn"
            inputs = await self._storage.find_inputs(connection, game.game_id, last.turn)
            save = await self._storage.find_save(connection, game.game_id, last.turn - 1)
        if inputs is None or save is None:
            held = await client.create(game_request(game))
        else:
            await client.restore(save)
            held = (await client.run_turn(inputs.turn, inputs.body)).game
        if (held.turn, held.state_hash) != (last.turn, last.state_hash):
            raise PatchDrifted(f"turn {last.turn} came to {held.state_hash} instead of {last.state_hash}")

    async def _put_back(self, game_id: str, old: str, requested_by: str) -> None:
        try:
            await self._engines.replace(game_id, old, requested_by)
        except RuntimeFailure as failure:  # the record wants it, and the reconciler goes on trying
            _log.error("patch_not_put_back_yet", game_id=game_id, version=old, reason=str(failure))
