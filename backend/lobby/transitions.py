"""The one place where a game changes its state: under its row's lock, by the closed table, told after the commit."""

from collections.abc import Iterable

from backend.cache import TableCache
from backend.lobby.errors import GameNotFound, WrongState
from backend.lobby.model import Game, GameAct, GameState, next_state
from backend.lobby.storage import LobbyStorage
from backend.push.model import Signal
from backend.push.ports import PushRing
from kit.logs import get_logger
from kit.postgres import Connection

_log = get_logger("lobby")


class GameStates:
    """Moves games inside the caller's transaction; `committed` then tells the cache and the people concerned."""

    def __init__(self, storage: LobbyStorage, cache: TableCache[str, Game], push_ring: PushRing) -> None:
        self._storage = storage
        self._cache = cache
        self._push_ring = push_ring

    async def lock(self, connection: Connection, game_id: str) -> Game:
        """Return a game that nobody else can change until the transaction ends. Raises GameNotFound."""
        game = await self._storage.lock(connection, game_id)
        if game is None:
            raise GameNotFound
        return game

    async def reread(self, connection: Connection, game_id: str) -> Game:
        """Return the game as this transaction has made it."""
        game = await self._storage.find(connection, game_id)
        assert game is not None, "games are never deleted"
        return game

    async def move(self, connection: Connection, game: Game, act: GameAct, reason: str = "") -> Game:
        """Move a locked game; return it as it then is. Raises WrongState."""
        state = next_state(game.state, act)
        if state is None:
            said = f"this game is {game.state}: {act} is not possible".replace("_", " ")
            raise WrongState(said, state=game.state, act=act)
        await self._storage.set_state(connection, game.game_id, state, reason)
        return await self.reread(connection, game.game_id)

    async def hold(self, connection: Connection, game: Game, reason: str) -> Game:
        """Give a locked game another reason for the state that it is in."""
        await self._storage.set_state(connection, game.game_id, game.state, reason)
        return await self.reread(connection, game.game_id)

    def committed(
        self,
        game: Game,
        reason: str,
        *,
        turn: int | None = None,
        state_changed: bool = False,
        also: Iterable[str] = (),
    ) -> None:
        """Put a committed game into the cache and signal it.

        Before play `lobby.changed` goes to owner, members and `also`; a change of state goes to the members as
        `game.changed` besides.
        """
        self._cache.put(game)
        concerned = list(dict.fromkeys([game.owner_id, *game.people, *also]))
        if state_changed:
            _log.info("game_state_changed", game_id=game.game_id, state=game.state, reason=reason)
            self._signal(game, turn, "state_changed")
        if game.state not in {GameState.RUNNING, GameState.PAUSED, GameState.FINISHED}:
            payload = {"game_id": game.game_id, "reason": reason}
            self._push_ring.publish(Signal("lobby.changed", concerned, payload))

    def published(self, game: Game, turn: int) -> None:
        """Put a game into the cache whose turn was published, and tell its members to look."""
        self._cache.put(game)
        self._signal(game, turn, "turn_generated")

    def deadline_moved(self, game: Game, turn: int) -> None:
        """Tell the members that the coming turn falls later than they were told; `turn` is the current one."""
        self._signal(game, turn, "deadline_moved")

    def final_changed(self, game: Game, turn: int) -> None:
        """Tell the members that somebody marked their orders final, or took it back; `turn` is the current one."""
        self._signal(game, turn, "final_changed")

    def _signal(self, game: Game, turn: int | None, reason: str) -> None:
        payload = {"game_id": game.game_id, "state": game.state, "turn": turn, "reason": reason}
        self._push_ring.publish(Signal("game.changed", game.people, payload))
