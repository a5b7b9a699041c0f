"""Games as their owners handle them: make, open, start, pause, resume, cancel; and who may see which."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from backend.api.model import IdempotentCall, StoredAnswer
from backend.api.ports import IdempotencyKeys
from backend.cache import TableCache
from backend.leadership.ports import Transactions
from backend.lobby.errors import (
    GameNotFound,
    NotEnoughPlayers,
    NotOwner,
    SettingsInvalid,
    TooManyGames,
    WrongState,
)
from backend.lobby.model import (
    EnrollmentEnd,
    Game,
    GameAct,
    GameSettings,
    GameState,
    enrollment_end,
)
from backend.lobby.ports import EngineVersions, Starter
from backend.lobby.race_names import checked_race_name, computer_names
from backend.lobby.storage import LobbyStorage
from backend.lobby.transitions import GameStates
from backend.lobby.views import GameViews, visible_without_invite
from backend.scheduler.model import BadSchedule, ScheduleKind, checked_cron
from backend.scheduler.service import GameClocks
from backend.users.ports import Users
from kit.duration import format_duration
from kit.ids import NewId
from kit.logs import get_logger
from kit.postgres import Connection
from kit.refusals import Refusal

_log = get_logger("lobby")

COMPUTER_LEVEL = 1
SEATS_MAX = 100
OPERATOR_PAUSE = "operator"


@dataclass(frozen=True)
class Change:
    """What a use case did to a game: the answer, and what to tell once it is committed."""

    game: Game
    answer: StoredAnswer
    reason: str
    state_changed: bool = False
    also: tuple[str, ...] = ()


class Changes:
    """Runs a change of one game: transaction, row lock, idempotency key, cache and signals, in this order."""

    def __init__(self, transactions: Transactions, keys: IdempotencyKeys, states: GameStates) -> None:
        self._transactions = transactions
        self._keys = keys
        self._states = states

    async def run(
        self, call: IdempotentCall | None, change: Callable[[Connection], Awaitable[Change]]
    ) -> tuple[StoredAnswer, Change | None]:
        """Do the change once; a repeated call gets the first answer and no Change."""
        async with self._transactions.write() as connection:
            known = await self._keys.first_answer(connection, call)
            if known is not None:
                return known, None
            done = await change(connection)
            await self._keys.remember(connection, call, done.answer)
        self._states.committed(done.game, done.reason, state_changed=done.state_changed, also=done.also)
        return done.answer, done


class Lobby:
    """Use cases of games as a whole."""

    def __init__(
        self,
        transactions: Transactions,
        storage: LobbyStorage,
        cache: TableCache[str, Game],
        states: GameStates,
        changes: Changes,
        views: GameViews,
        clocks: GameClocks,
        versions: EngineVersions,
        users: Users,
        starter: Starter,
        new_id: NewId,
        games_per_owner: int,
        turn_period_min: timedelta,
    ) -> None:
        self._transactions = transactions
        self._storage = storage
        self._cache = cache
        self._states = states
        self._changes = changes
        self._views = views
        self._clocks = clocks
        self._versions = versions
        self._users = users
        self._starter = starter
        self._new_id = new_id
        self._games_per_owner = games_per_owner
        self._turn_period_min = turn_period_min

    # Reading

    async def get(self, viewer_id: str, game_id: str) -> dict[str, Any]:
        """Return a game as somebody sees it. Raises GameNotFound, also for one they may not know of."""
        async with self._transactions.read() as connection:
            game = await self.visible(connection, viewer_id, game_id)
            return await self._views.one(connection, game, viewer_id)

    async def list(
        self, viewer_id: str, *, mine: bool, state: GameState | None, limit: int, offset: int
    ) -> tuple[list[dict[str, Any]], int]:
        """Return a page of the games somebody may see, newest first, and how many there are."""
        games = [
            game
            for game in self._cache
            if (state is None or game.state is state)
            and (
                game.owner_id == viewer_id or game.member_of(viewer_id) is not None
                if mine
                else visible_without_invite(game, viewer_id)
            )
        ]
        games.sort(key=lambda game: game.game_id, reverse=True)
        async with self._transactions.read() as connection:
            page = await self._views.many(connection, games[offset : offset + limit], viewer_id)
        return page, len(games)

    async def visible(self, connection: Connection, viewer_id: str, game_id: str) -> Game:
        """Return a game that somebody may see. Raises GameNotFound."""
        game = self._cache.find(game_id)
        if game is None:
            raise GameNotFound
        if not visible_without_invite(game, viewer_id):
            account = self._users.get(viewer_id)
            if game.state is GameState.DRAFT or not await self._storage.is_invited(
                connection, game_id, viewer_id, account.email
            ):
                raise GameNotFound
        return game

    # Changing

    async def create(
        self, owner_id: str, chosen: GameSettings, race_name: str, call: IdempotentCall | None
    ) -> StoredAnswer:
        """Make a draft; its owner is a member at once. Raises SettingsInvalid, RaceNameInvalid, TooManyGames."""
        self._check(chosen)
        name = checked_race_name(race_name, chosen.name)
        game_id = self._new_id()

        async def change(connection: Connection) -> Change:
            # Each game that runs is an engine: without a bound one player could take the machine.
            if await self._storage.count_unfinished(connection, owner_id) >= self._games_per_owner:
                raise TooManyGames(games_max=self._games_per_owner)
            await self._storage.insert(
                connection, game_id, owner_id, chosen, GameState.DRAFT, secrets.token_hex(16)
            )
            await self._storage.seat(connection, game_id, owner_id, owner_id, name)
            game = await self._states.reread(connection, game_id)
            view = await self._views.one(connection, game, owner_id)
            return Change(game, StoredAnswer(201, view), "created")

        answer, _ = await self._changes.run(call, change)
        return answer

    async def open(self, owner_id: str, game_id: str, call: IdempotentCall | None) -> StoredAnswer:
        """Open enrolment. Raises GameNotFound, NotOwner, WrongState."""
        return await self._by_owner(owner_id, game_id, call, GameAct.OPEN, "enrollment_opened")

    async def cancel(self, owner_id: str, game_id: str, call: IdempotentCall | None) -> StoredAnswer:
        """Give a game up before it runs. Raises GameNotFound, NotOwner, WrongState."""
        return await self._by_owner(owner_id, game_id, call, GameAct.CANCEL, "cancelled_by_owner")

    async def start(self, owner_id: str, game_id: str, call: IdempotentCall | None) -> StoredAnswer:
        """Have the engine started; the game is `starting` until turn 0 stands.

        Closes enrolment if need be, and is the way out of `start_failed`. Raises GameNotFound, NotOwner, WrongState,
        NotEnoughPlayers, SettingsInvalid.
        """

        async def change(connection: Connection) -> Change:
            game = await self._owned(connection, owner_id, game_id)
            # Made before the version had declared anything, perhaps: no engine need boot to refuse it again.
            self._check_options(game.settings)
            game = await self._begin(connection, game)
            view = await self._views.one(connection, game, owner_id)
            return Change(game, StoredAnswer(200, view), "starting", state_changed=True)

        answer, done = await self._changes.run(call, change)
        if done is not None:
            self._starter.wake()
        return answer

    async def pause(self, owner_id: str, game_id: str, call: IdempotentCall | None) -> StoredAnswer:
        """Stop the clock. Raises GameNotFound, NotOwner, WrongState."""
        return await self._by_owner(owner_id, game_id, call, GameAct.PAUSE, "owner")

    async def resume(self, owner_id: str, game_id: str, call: IdempotentCall | None) -> StoredAnswer:
        """Let the clock run again, except where an operator stopped it. Raises as `pause`."""
        return await self._by_owner(owner_id, game_id, call, GameAct.RESUME, "")

    async def pause_in(self, connection: Connection, game: Game, reason: str) -> Game:
        """Pause a locked game inside somebody's transaction. Raises WrongState."""
        paused = await self._states.move(connection, game, GameAct.PAUSE, reason)
        await self._clocks.stop(connection, game.game_id)
        return paused

    async def resume_in(self, connection: Connection, game: Game) -> Game:
        """Resume a locked game inside somebody's transaction. Raises WrongState."""
        resumed = await self._states.move(connection, game, GameAct.RESUME)
        now: datetime = await connection.fetchval("SELECT now()")
        await self._clocks.resume(connection, game.game_id, game.settings.schedule, now)
        return resumed

    async def end_enrollment(self) -> int:
        """Start or give up the games whose enrolment is over; return how many moved. Each in its own transaction.

        One that may not start (its engine version was disabled, its owner was quicker) is left for the next pass and holds
        up no other.
        """
        async with self._transactions.read() as connection:
            over = await self._storage.list_enrollment_over(connection)
        moved = 0
        for game_id, now in over:
            try:
                game = await self._end_one_enrollment(game_id, now)
            except Refusal as refusal:
                _log.warning(
                    "enrollment_end_refused", game_id=game_id, code=refusal.code, reason=refusal.message
                )
                continue
            if game is None:
                continue
            self._states.committed(game, "enrollment_ended", state_changed=True)
            self._starter.wake()
            moved += 1
        return moved

    async def _end_one_enrollment(self, game_id: str, now: datetime) -> Game | None:
        async with self._transactions.write() as connection:
            game = await self._states.lock(connection, game_id)
            match enrollment_end(game, now):
                case None:
                    return None
                case EnrollmentEnd.START:
                    return await self._begin(connection, game)
                case EnrollmentEnd.CANCEL:
                    return await self._states.move(connection, game, GameAct.CANCEL, "not_enough_players")

    async def _by_owner(
        self, owner_id: str, game_id: str, call: IdempotentCall | None, act: GameAct, reason: str
    ) -> StoredAnswer:
        async def change(connection: Connection) -> Change:
            game = await self._owned(connection, owner_id, game_id)
            match act:
                case GameAct.PAUSE:
                    game = await self.pause_in(connection, game, reason)
                case GameAct.RESUME:
                    if game.state_reason == OPERATOR_PAUSE:
                        raise WrongState("an operator has stopped this game", state=game.state, act=act)
                    game = await self.resume_in(connection, game)
                case _:
                    game = await self._states.move(connection, game, act, reason)
            view = await self._views.one(connection, game, owner_id)
            return Change(game, StoredAnswer(200, view), reason or act.value, state_changed=True)

        answer, done = await self._changes.run(call, change)
        if done is not None:
            self._clocks.wake()
        return answer

    async def _owned(self, connection: Connection, owner_id: str, game_id: str) -> Game:
        await self.visible(connection, owner_id, game_id)
        game = await self._states.lock(connection, game_id)
        if game.owner_id != owner_id:
            raise NotOwner
        return game

    async def _begin(self, connection: Connection, game: Game) -> Game:
        if not self._versions.is_enabled(game.settings.engine_version):
            raise SettingsInvalid("this engine version is not enabled", field="engine_version")
        if game.state is GameState.START_FAILED:
            game = await self._states.move(connection, game, GameAct.MAKE_READY)
        if game.state.enrolls and not game.enough_players:
            raise NotEnoughPlayers(min_players=game.settings.min_players, players=len(game.people))
        if game.state is GameState.ENROLLMENT_OPEN:
            game = await self._states.move(connection, game, GameAct.CLOSE_ENROLLMENT)
        starting = await self._states.move(connection, game, GameAct.START)
        seated = sum(1 for member in game.members if member.user_id is None)
        names = computer_names((member.race_name for member in game.members), game.settings.bots - seated)
        for number, name in enumerate(names, start=seated + 1):
            await self._storage.seat(
                connection, game.game_id, f"computer-{number}", None, name, COMPUTER_LEVEL
            )
        return await self._states.reread(connection, starting.game_id)

    def _check(self, chosen: GameSettings) -> None:
        if chosen.max_players < chosen.min_players:
            raise SettingsInvalid("max_players is less than min_players", field="max_players")
        if chosen.min_players + chosen.bots < 2:
            raise SettingsInvalid("a game needs two races at least", field="min_players")
        if chosen.max_players + chosen.start_gap_players + chosen.bots > SEATS_MAX:
            raise SettingsInvalid(f"a game has {SEATS_MAX} seats at most", field="max_players")
        if not self._versions.is_enabled(chosen.engine_version):
            raise SettingsInvalid(
                f"engine version {chosen.engine_version} is not enabled", field="engine_version"
            )
        self._check_options(chosen)
        schedule = chosen.schedule
        if schedule.kind is ScheduleKind.CRON:
            try:
                checked_cron(schedule.cron or "", schedule.time_zone or "")
            except BadSchedule as error:
                raise SettingsInvalid(str(error), field="schedule") from error
        elif schedule.period is not None and schedule.period < self._turn_period_min:
            # Each turn costs an engine's work and a mail to everybody in the game.
            least = format_duration(self._turn_period_min)
            raise SettingsInvalid(f"turns here are {least} apart at least", field="schedule.period_seconds")

    def _check_options(self, chosen: GameSettings) -> None:
        fault = self._versions.find_option_fault(chosen.engine_version, chosen.engine_options)
        if fault is not None:
            place, why = fault
            field = f"engine_options.{place}" if place else "engine_options"
            raise SettingsInvalid(f"{field}: {why}", field=field)
