"""One turn, from stored inputs to publication (docs/ARCHITECTURE.md, section 7). A crash anywhere repeats the same bytes."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from opentelemetry.trace import Tracer

from backend.leadership.ports import Transactions
from backend.lobby.model import Game, GameAct, GameState, MemberStatus
from backend.lobby.service import Lobby
from backend.lobby.transitions import GameStates
from backend.outbox.model import Intent
from backend.outbox.ports import Outbox
from backend.play.engine_state import Computed, EngineStates
from backend.play.model import TurnInputs, turn_request
from backend.play.ports import GameRows
from backend.play.storage import PlayStorage
from backend.runtime.alerts import Alerts
from backend.runtime.engine_client import EngineAway, EngineBroken, EngineClient, EngineError
from backend.runtime.errors import ContainersAway, RuntimeFailure
from backend.runtime.service import EngineDown, Engines
from backend.scheduler.model import Due, TurnCause
from backend.scheduler.ports import Notices
from backend.scheduler.service import GameClocks
from backend.telemetry import GameMetrics
from kit.clock import Clock, rfc3339
from kit.faults import Faults
from kit.ids import NewId
from kit.logs import get_logger
from kit.postgres import Connection
from kit.rest import dumps
from kit.telemetry import span

_log = get_logger("play")


class Generated(StrEnum):
    """What became of a try to generate a turn."""

    PUBLISHED = "published"
    NOT_DUE = "not_due"  # somebody withdrew, paused, or did it already
    TICK_SKIPPED = "tick_skipped"
    PUT_OFF = "put_off"  # no engine just now; no failure of the turn
    FAILED = "failed"
    PAUSED = "paused"  # it failed once too often


@dataclass(frozen=True)
class RetryPolicy:
    """What happens to a turn that cannot be generated."""

    failures_max: int = 3
    first_wait: timedelta = timedelta(seconds=5)
    engine_down_wait: timedelta = timedelta(seconds=2)
    engines_away_wait: timedelta = timedelta(seconds=60)


class TurnGenerator:
    """Generates turns; one at a time a game."""

    def __init__(
        self,
        transactions: Transactions,
        storage: PlayStorage,
        games: GameRows,
        states: GameStates,
        lobby: Lobby,
        clocks: GameClocks,
        engines: Engines,
        engine_states: EngineStates,
        outbox: Outbox,
        alerts: Alerts,
        notices: Notices,
        faults: Faults,
        policy: RetryPolicy,
        metrics: GameMetrics,
        clock: Clock,
        new_id: NewId,
        tracer: Tracer,
    ) -> None:
        self._tracer = tracer
        self._transactions = transactions
        self._storage = storage
        self._games = games
        self._states = states
        self._lobby = lobby
        self._clocks = clocks
        self._engines = engines
        self._engine_states = engine_states
        self._outbox = outbox
        self._alerts = alerts
        self._notices = notices
        self._faults = faults
        self._policy = policy
        self._metrics = metrics
        self._clock = clock
        self._new_id = new_id

    async def generate(self, due: Due) -> Generated:
        """Generate and publish a turn that is due, or say why not. Safe to repeat at any moment, after any crash.

        Raises PostgresUnavailable; the turn is then begun anew later.
        """
        async with self._engine_states.hold(due.game_id):
            began = self._clock.monotonic()
            outcome = await self._generate(due)
            self._metrics.turn(outcome, (self._clock.monotonic() - began) * 1000)
            return outcome

    async def _generate(self, due: Due) -> Generated:
        async with self._transactions.read() as connection:
            game = await self._games.find(connection, due.game_id)
        if game is None or game.state is not GameState.RUNNING:
            return Generated.NOT_DUE
        try:
            client = await self._engine_states.ready(game)
        except (ContainersAway, EngineDown, EngineAway) as error:
            return await self._put_off(game, error)
        except EngineError as error:
            return await self._failed(game, due.turn, error)
        inputs = await self._inputs(due)
        if not isinstance(inputs, TurnInputs):
            return inputs
        # The turn's own request id and trace go to the engine and into every intent that the turn causes.
        with span(self._tracer, "turn.generate", request_id=inputs.request_id, game_id=due.game_id):
            try:
                computed = await self._compute(client, inputs)
            except EngineError as error:
                return await self._failed(game, due.turn, error)
            await self._faults.reach("after_engine_answer")
            return await self._publish(inputs, computed)

    # The steps

    async def _inputs(self, due: Due) -> TurnInputs | Generated:
        """Return the inputs of the turn: those stored before, else the orders of this moment, stored now.

        Holding the clock, it asks once more whether the turn is due: a *final* may have been withdrawn meanwhile.
        """
        async with self._transactions.write() as connection:
            game = await self._states.lock(connection, due.game_id)
            clock = await self._clocks.lock(connection, due.game_id)
            if clock is None or game.state is not GameState.RUNNING or clock.current_turn + 1 != due.turn:
                return Generated.NOT_DUE
            stored = await self._storage.find_inputs(connection, due.game_id, due.turn)
            if stored is not None:
                return stored
            still_due = await self._clocks.list_due(connection, due.game_id)
            if not still_due:
                return Generated.NOT_DUE
            cause = still_due[0].cause
            skipped = None
            if cause is TurnCause.DEADLINE and clock.skip_next_tick:
                now: datetime = await connection.fetchval("SELECT now()")
                record = await self._engines.set_skip(connection, due.game_id, False)
                skipped = await self._clocks.skip_tick(connection, clock, game.settings.schedule, now)
            if skipped is None:
                request_id = self._new_id()
                filed = await self._storage.list_orders(connection, due.game_id, due.turn)
                body = dumps(turn_request(game, request_id, filed))
                inputs = TurnInputs(due.game_id, due.turn, request_id, cause, body)
                await self._storage.insert_inputs(connection, inputs)
                return inputs
        self._engines.committed(record)
        self._notices.moved([skipped])
        return Generated.TICK_SKIPPED

    async def _compute(self, client: EngineClient, inputs: TurnInputs) -> Computed:
        answer = await client.run_turn(inputs.turn, inputs.body)
        if answer.game.turn != inputs.turn:
            raise EngineBroken(f"asked for turn {inputs.turn}, got {answer.game.turn}")
        computed = await self._engine_states.collect(client, answer.game)
        for player_id, expected in answer.report_hashes.items():
            report = computed.reports.get(player_id)
            if report is None or hashlib.sha256(report.as_json).hexdigest() != expected:
                raise EngineBroken(f"the report of {player_id} is not the one that the turn named")
        return computed

    async def _publish(self, inputs: TurnInputs, computed: Computed) -> Generated:
        async with self._transactions.write() as connection:
            game = await self._states.lock(connection, inputs.game_id)
            clock = await self._clocks.lock(connection, inputs.game_id)
            assert clock is not None, "a turn has a clock"
            if clock.current_turn != inputs.turn - 1:
                return Generated.NOT_DUE
            turn = await self._storage.insert_turn(
                connection,
                game.game_id,
                inputs.turn,
                computed.game.state_hash,
                game.settings.engine_version,
                computed.summary,
                computed.reports,
                computed.save,
            )
            statuses = {player: MemberStatus(status) for player, status in computed.game.statuses.items()}
            await self._games.set_statuses(connection, game.game_id, statuses)
            record = None
            if computed.game.finished:
                await self._states.move(connection, game, GameAct.FINISH, "won")
                record = await self._engines.want_stopped(connection, game.game_id)
            deadline = await self._clocks.advance(
                connection,
                clock,
                game.settings.schedule,
                inputs.turn,
                turn.generated_at,
                over=computed.game.finished or game.state is not GameState.RUNNING,
            )
            await self._outbox.add_intent(connection, turn_ready(game, inputs.turn, deadline))
            game = await self._states.reread(connection, game.game_id)
        self._states.published(game, inputs.turn)
        self._engines.committed(record)
        _log.info(
            "turn_published",
            game_id=game.game_id,
            turn=inputs.turn,
            cause=inputs.cause,
            state_hash=computed.game.state_hash,
            finished=computed.game.finished,
        )
        return Generated.PUBLISHED

    # What may go wrong

    async def _put_off(self, game: Game, error: Exception) -> Generated:
        """Wait for an engine: no failure of the turn, and where all engines are away the deadline moves."""
        away = isinstance(error, ContainersAway)
        async with self._transactions.write() as connection:
            if await self._playing(connection, game.game_id) is None:
                return Generated.NOT_DUE
            move = None
            if away:
                now: datetime = await connection.fetchval("SELECT now()")
                move = await self._clocks.put_off(
                    connection, game.game_id, self._policy.engines_away_wait, now
                )
            else:
                await self._clocks.wait(connection, game.game_id, self._policy.engine_down_wait)
        self._engines.look_again.set()
        if move is not None:
            self._notices.moved([move])
        _log.info("turn_put_off", game_id=game.game_id, reason=f"{type(error).__name__}: {error}")
        return Generated.PUT_OFF

    async def _failed(self, game: Game, turn: int, error: EngineError) -> Generated:
        """Count the failure; one too many pauses the game and alerts the operators."""
        paused = None
        async with self._transactions.write() as connection:
            locked = await self._playing(connection, game.game_id)
            if locked is None:
                return Generated.NOT_DUE
            failures = await self._clocks.note_failure(connection, game.game_id, self._policy.first_wait)
            if failures >= self._policy.failures_max:
                paused = await self._lobby.pause_in(connection, locked, "turn_failed")
                await self._alerts.turn_failed(connection, game.game_id, f"turn {turn}: {error}")
        _log.error("turn_failed", game_id=game.game_id, turn=turn, failures=failures, reason=str(error)[:500])
        if paused is not None:
            self._states.committed(paused, "turn_failed", turn=turn - 1, state_changed=True)
        try:
            await self._engines.look_after(game.game_id)
        except (RuntimeFailure, EngineDown) as failure:
            _log.warning("engine_not_replaced", game_id=game.game_id, reason=str(failure))
        return Generated.PAUSED if paused is not None else Generated.FAILED

    async def _playing(self, connection: Connection, game_id: str) -> Game | None:
        game = await self._states.lock(connection, game_id)
        return game if game.state is GameState.RUNNING else None


def turn_ready(game: Game, turn: int, deadline: datetime | None) -> Intent:
    """Return the intent that tells the people still in a game that a turn is there."""
    out = {MemberStatus.QUIT, MemberStatus.ELIMINATED}
    people = [m.user_id for m in game.members if m.user_id is not None and m.status not in out]
    payload = {
        "game_id": game.game_id,
        "game_name": game.settings.name,
        "turn": turn,
        "deadline_at": rfc3339(deadline) if deadline is not None else None,
    }
    return Intent("game.turn.ready", f"game.turn.ready:{game.game_id}:{turn}", payload, people)
