"""From `starting` to `running`: the engine, the galaxy in it, turn 0 published."""

from datetime import datetime, timedelta

from opentelemetry.trace import Tracer

from backend.engine_versions.service import EngineVersions
from backend.leadership.ports import Transactions
from backend.lobby.model import Game, GameAct, GameState
from backend.lobby.transitions import GameStates
from backend.outbox.model import Intent
from backend.outbox.ports import Outbox
from backend.play.engine_state import Computed, EngineStates
from backend.play.ports import GameRows
from backend.play.storage import PlayStorage
from backend.runtime.alerts import Alerts
from backend.runtime.engine_client import EngineBroken, EngineError, EngineRefused
from backend.runtime.errors import ConfigInvalid, ContainersAway, RuntimeFailure, StartFailed
from backend.runtime.service import EngineDown, Engines
from backend.scheduler.service import GameClocks
from kit.ids import NewId
from kit.logs import get_logger
from kit.telemetry import span

_log = get_logger("play")


class GameStarter:
    """Starts games. Safe to repeat at any moment: the engine's init is, and turn 0 is published once."""

    def __init__(
        self,
        transactions: Transactions,
        storage: PlayStorage,
        games: GameRows,
        states: GameStates,
        clocks: GameClocks,
        versions: EngineVersions,
        engines: Engines,
        engine_states: EngineStates,
        outbox: Outbox,
        alerts: Alerts,
        new_id: NewId,
        tracer: Tracer,
    ) -> None:
        self._tracer = tracer
        self._transactions = transactions
        self._storage = storage
        self._games = games
        self._states = states
        self._clocks = clocks
        self._versions = versions
        self._engines = engines
        self._engine_states = engine_states
        self._outbox = outbox
        self._alerts = alerts
        self._new_id = new_id

    async def list_starting(self) -> list[str]:
        """Return the games that wait for their engine."""
        async with self._transactions.read() as connection:
            return await self._games.list_in_state(connection, GameState.STARTING)

    async def start(self, game_id: str) -> bool:
        """Start a game; tell whether it runs. A failure leaves it in `start_failed`, with the operators alerted."""
        with span(self._tracer, "game.start", request_id=self._new_id(), game_id=game_id):
            return await self._start(game_id)

    async def _start(self, game_id: str) -> bool:
        async with self._transactions.read() as connection:
            game = await self._games.find(connection, game_id)
        if game is None or game.state is not GameState.STARTING:
            return False
        try:
            await self._engines.start(game_id, game.settings.engine_version, "owner")
        except RuntimeFailure as failure:  # operators hear of it from the runtime
            return await self._fail(game, failure, alert=False)
        try:
            computed = await self._computed(game)
        except EngineRefused as refusal:
            return await self._fail(game, ConfigInvalid(str(refusal)), alert=True)
        except (EngineError, EngineDown, ContainersAway) as error:
            return await self._fail(game, StartFailed(f"{type(error).__name__}: {error}"), alert=True)
        return await self._publish(game, computed)

    async def _computed(self, game: Game) -> Computed:
        async with self._engine_states.hold(game.game_id):
            # Before the engine is given the game: if it refuses its options, the next owner hears so when they ask.
            declared = await self._engine_states.declared_options(game)
            await self._versions.learn_options(game.settings.engine_version, declared)
            client = await self._engine_states.ready(game)
            held = await client.find_game()
            if held is None:
                raise EngineBroken("the engine lost the game that it was given")
            return await self._engine_states.collect(client, held)

    async def _publish(self, game: Game, computed: Computed) -> bool:
        async with self._transactions.write() as connection:
            locked = await self._states.lock(connection, game.game_id)
            running = locked.state is GameState.STARTING
            if running:
                started = await self._states.move(connection, locked, GameAct.CONFIRM_START)
                await self._storage.insert_turn(
                    connection,
                    game.game_id,
                    0,
                    computed.game.state_hash,
                    game.settings.engine_version,
                    computed.summary,
                    computed.reports,
                    computed.save,
                )
                now: datetime = await connection.fetchval("SELECT now()")
                allowance = timedelta(hours=game.settings.first_turn_allowance_hours)
                await self._clocks.begin(connection, game.game_id, game.settings.schedule, allowance, now)
                payload = {"game_id": game.game_id, "game_name": game.settings.name}
                await self._outbox.add_intent(
                    connection,
                    Intent("game.started", f"game.started:{game.game_id}", payload, game.people),
                )
        if running:
            self._states.committed(started, "started", turn=0, state_changed=True)
        else:  # it was cancelled meanwhile
            await self._discard(game.game_id)
        return running

    async def _fail(self, game: Game, failure: RuntimeFailure, *, alert: bool) -> bool:
        _log.error("game_start_failed", game_id=game.game_id, reason=str(failure)[:500])
        failed = None
        async with self._transactions.write() as connection:
            locked = await self._states.lock(connection, game.game_id)
            if locked.state is GameState.STARTING:
                reason = type(failure).__name__
                failed = await self._states.move(connection, locked, GameAct.FAIL_START, reason)
                if alert:
                    await self._alerts.first_start_failed(connection, game.game_id, failure)
        if failed is not None:
            self._states.committed(failed, "start_failed", state_changed=True)
        await self._discard(game.game_id)
        return False

    async def _discard(self, game_id: str) -> None:
        try:
            await self._engines.stop(game_id, "system")
        except RuntimeFailure as failure:  # it is not wanted any more; the reconciler stops it later
            _log.warning("engine_stop_put_off", game_id=game_id, reason=str(failure))
