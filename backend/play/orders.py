"""Orders of the coming turn: filed, read back, checked, marked final."""

from typing import Any

import orjson

from backend.api.model import IdempotentCall, StoredAnswer
from backend.api.ports import IdempotencyKeys
from backend.leadership.ports import Transactions
from backend.lobby.errors import NotMember
from backend.lobby.model import Game, GameState, MemberStatus
from backend.lobby.service import Lobby
from backend.lobby.transitions import GameStates
from backend.play.checking import OrderChecks
from backend.play.errors import (
    CheckBusy,
    EngineUnavailable,
    NotComingTurn,
    NotPlaying,
    OrdersRefused,
    PlayerOut,
    TurnClosed,
)
from backend.play.model import OrderSet
from backend.play.storage import PlayStorage
from backend.scheduler.model import Clock
from backend.scheduler.service import GameClocks
from kit.clock import rfc3339
from kit.postgres import Connection


class Orders:
    """Use cases of orders. Storing never waits for an engine; verdicts do, and may be missing."""

    def __init__(
        self,
        transactions: Transactions,
        storage: PlayStorage,
        lobby: Lobby,
        states: GameStates,
        clocks: GameClocks,
        checks: OrderChecks,
        keys: IdempotencyKeys,
    ) -> None:
        self._transactions = transactions
        self._storage = storage
        self._lobby = lobby
        self._states = states
        self._clocks = clocks
        self._checks = checks
        self._keys = keys

    async def admit(self, user_id: str, game_id: str) -> None:
        """Tell at little cost that somebody has a seat in a game. Raises GameNotFound, NotMember."""
        async with self._transactions.read() as connection:
            game = await self._lobby.visible(connection, user_id, game_id)
        if game.member_of(user_id) is None:
            raise NotMember

    async def put(
        self, user_id: str, game_id: str, turn: int, orders: orjson.Fragment, call: IdempotentCall | None
    ) -> dict[str, Any]:
        """Store orders in place of what was filed, then have them checked; a *final* mark is taken back.

        `check` is None where no engine answers, or too many checks are under way: orders are not lost for want of a verdict.
        Raises GameNotFound, NotMember, NotPlaying, PlayerOut, TurnClosed, NotComingTurn.
        """
        game = await self._playing(user_id, game_id, turn)
        answer = await self._store(game, user_id, turn, orders, call)
        try:
            check = await self._checks.verdicts(game, user_id, turn, orders)
        except (CheckBusy, EngineUnavailable, OrdersRefused):
            check = None
        return {**answer, "check": check}

    async def _store(
        self, game: Game, player_id: str, turn: int, orders: orjson.Fragment, call: IdempotentCall | None
    ) -> dict[str, Any]:
        async with self._transactions.write() as connection:
            known = await self._keys.first_answer(connection, call)
            if known is not None:
                body: dict[str, Any] = known.body
                return body
            await self._still_open(connection, game.game_id, turn)
            before = await self._storage.find_orders(connection, game.game_id, turn, player_id)
            stored = await self._storage.put_orders(connection, game.game_id, turn, player_id, orders)
            answer = _stored(turn, stored)
            await self._keys.remember(connection, call, StoredAnswer(200, answer))
        if before is not None and before.final:
            self._states.final_changed(game, turn - 1)
        return answer

    async def get(self, user_id: str, game_id: str, turn: int | None) -> dict[str, Any]:
        """Return what somebody filed for a turn, the coming one by default. Raises GameNotFound, NotMember, NotPlaying."""
        async with self._transactions.read() as connection:
            game = await self._lobby.visible(connection, user_id, game_id)
            if game.member_of(user_id) is None:
                raise NotMember
            clock = await self._clocks.find(connection, game_id)
            if clock is None:
                raise NotPlaying(state=game.state)
            wanted = clock.current_turn + 1 if turn is None else turn
            filed = await self._storage.find_orders(connection, game_id, wanted, user_id)
        return {
            "game_id": game_id,
            "turn": wanted,
            "orders": filed.orders if filed else None,
            "final": filed is not None and filed.final,
            "stored_at": rfc3339(filed.stored_at) if filed and filed.orders is not None else None,
        }

    async def check(self, user_id: str, game_id: str, turn: int, orders: orjson.Fragment) -> dict[str, Any]:
        """Return the engine's verdicts and forecast; nothing is stored.

        Raises as `put`, and CheckBusy, EngineUnavailable, OrdersRefused.
        """
        game = await self._playing(user_id, game_id, turn)
        return {"turn": turn, "check": await self._checks.verdicts(game, user_id, turn, orders)}

    async def finalize(
        self, user_id: str, game_id: str, turn: int, final: bool, call: IdempotentCall | None
    ) -> dict[str, Any]:
        """Mark one's orders final, or take that back while the turn has not begun. Raises as `put`."""
        game = await self._playing(user_id, game_id, turn)
        async with self._transactions.write() as connection:
            known = await self._keys.first_answer(connection, call)
            if known is not None:
                body: dict[str, Any] = known.body
                return body
            await self._still_open(connection, game_id, turn)
            before = await self._storage.find_orders(connection, game_id, turn, user_id)
            stored = await self._storage.set_final(connection, game_id, turn, user_id, final)
            answer = _stored(turn, stored)
            await self._keys.remember(connection, call, StoredAnswer(200, answer))
        if final != (before is not None and before.final):
            self._states.final_changed(game, turn - 1)
        self._clocks.wake()
        return answer

    async def _playing(self, user_id: str, game_id: str, turn: int) -> Game:
        async with self._transactions.read() as connection:
            game = await self._lobby.visible(connection, user_id, game_id)
            member = game.member_of(user_id)
            if member is None:
                raise NotMember
            clock = await self._clocks.find(connection, game_id)
        if clock is None or game.state not in {GameState.RUNNING, GameState.PAUSED}:
            raise NotPlaying(f"a game that is {game.state} takes no orders", state=game.state)
        if member.status is not MemberStatus.ACTIVE:
            raise PlayerOut(status=member.status)
        _coming(clock, turn)
        return game

    async def _still_open(self, connection: Connection, game_id: str, turn: int) -> None:
        clock = await self._clocks.share(connection, game_id)
        assert clock is not None, "a clock is never taken away"
        _coming(clock, turn)
        if await self._storage.has_inputs(connection, game_id, turn):
            raise TurnClosed(turn=turn)


def _coming(clock: Clock, turn: int) -> None:
    if turn <= clock.current_turn:
        raise TurnClosed(turn=turn, current_turn=clock.current_turn)
    if turn != clock.current_turn + 1:
        raise NotComingTurn(turn=turn, current_turn=clock.current_turn)


def _stored(turn: int, stored: OrderSet) -> dict[str, Any]:
    return {"turn": turn, "final": stored.final, "stored_at": rfc3339(stored.stored_at)}
