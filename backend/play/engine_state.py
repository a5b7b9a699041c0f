"""Bringing an engine to the state of the last published turn: engines hold nothing that the archive does not have."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from backend.leadership.ports import Transactions
from backend.lobby.model import Game, MemberStatus
from backend.play.model import Report, Turn, game_request
from backend.play.storage import PlayStorage
from backend.runtime.engine_client import (
    EngineBroken,
    EngineClient,
    EngineClients,
    EngineGame,
    EngineSave,
)
from backend.runtime.locks import GameLocks
from backend.runtime.model import Endpoint
from backend.runtime.service import Engines
from kit.logs import get_logger

_log = get_logger("play")


@dataclass(frozen=True)
class Computed:
    """A turn as the engine computed it, checked against the hashes it gave."""

    game: EngineGame
    reports: Mapping[str, Report]
    save: EngineSave

    @property
    def summary(self) -> Mapping[str, Any]:
        """Return what is kept of it beside reports and save."""
        return {
            "finished": self.game.finished,
            "winner": self.game.winner,
            "players": dict(self.game.statuses),
        }


class EngineStates:
    """Finds a game's engine and sees to it that it holds the game as published."""

    def __init__(
        self, transactions: Transactions, storage: PlayStorage, engines: Engines, clients: EngineClients
    ) -> None:
        self._transactions = transactions
        self._storage = storage
        self._engines = engines
        self._clients = clients
        self._locks = GameLocks()
        self._seen: dict[str, tuple[Endpoint, int]] = {}

    @asynccontextmanager
    async def hold(self, game_id: str) -> AsyncIterator[None]:
        """Have what a game's engine holds to oneself for the length of the context: nobody loads, turns or replays it.

        Two who load an empty engine at once would find each other's game in it. Not reentrant; the runtime's own lock of a
        game is taken inside this one, never the other way round.
        """
        async with self._locks.hold(game_id):
            yield

    async def ready(self, game: Game) -> EngineClient:
        """Return a client of the game's engine, which holds the last published turn or has computed the one after it.

        An empty engine is given the game; the caller holds it (`hold`). Raises ContainersAway, EngineDown, EngineError.
        """
        assert self._locks.held(game.game_id), (
            "what an engine holds is asked and changed under the game's lock"
        )
        endpoint = self._engines.endpoint_of(game.game_id)
        client = self._clients.of(endpoint)
        held = await client.find_game()
        async with self._transactions.read() as connection:
            last = await self._storage.last_turn(connection, game.game_id)
            save = None
            if held is None and last is not None:
                save = await self._storage.find_save(connection, game.game_id, last.turn)
        if held is None:
            held = await (client.create(game_request(game)) if save is None else client.restore(save))
            _log.info("engine_loaded", game_id=game.game_id, turn=held.turn, restored=save is not None)
        elif last is None:
            held = await client.create(game_request(game))
        _check(held, last)
        self._seen[game.game_id] = endpoint, held.turn
        return client

    def seen(self, game_id: str, turn: int) -> EngineClient | None:
        """Return a client of the game's engine if `ready` found it to hold this turn; it may hold another one by now.

        Needs no lock. Raises ContainersAway, EngineDown.
        """
        endpoint = self._engines.endpoint_of(game_id)
        return self._clients.of(endpoint) if self._seen.get(game_id) == (endpoint, turn) else None

    async def declared_options(self, game: Game) -> Any:
        """Return what the game's engine declares as the schema of options; None where it says nothing of them.

        Raises ContainersAway, EngineDown, EngineError.
        """
        info = await self._clients.of(self._engines.endpoint_of(game.game_id)).info()
        return info.get("options_schema") if isinstance(info, dict) else None

    async def collect(self, client: EngineClient, held: EngineGame) -> Computed:
        """Fetch reports and save of the engine's present turn.

        Raises EngineError, also where hashes do not fit or a seat stands as nobody knows: what an engine says of itself is
        input like any other, and must fail its turn rather than whoever writes it down.
        """
        unknown = set(held.statuses.values()) - set(MemberStatus)
        if unknown:
            raise EngineBroken(f"seats that stand as nobody knows: {sorted(unknown)}")
        reports = {}
        for player_id in held.statuses:
            as_json = await client.report(held.turn, player_id, "json")
            as_text = await client.report(held.turn, player_id, "text")
            reports[player_id] = Report(as_json, as_text)
        save = await client.save()
        if not hashlib.sha256(save.data).hexdigest() == save.sha256 == held.state_hash:
            raise EngineBroken(f"the save of turn {held.turn} is not the state that the engine named")
        return Computed(held, reports, save)


def _check(held: EngineGame, last: Turn | None) -> None:
    if last is None:
        fits = held.turn == 0
    elif held.turn == last.turn:
        fits = held.state_hash == last.state_hash
    else:
        # It has computed the coming turn, and we died before we could publish it: the same request gives the same answer.
        fits = held.turn == last.turn + 1
    if not fits:
        raise EngineBroken(
            f"the engine holds turn {held.turn}, the archive {last.turn if last else 'nothing'}"
        )
