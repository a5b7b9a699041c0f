"""What the play room needs of other rooms, within its own transactions."""

from collections.abc import Mapping
from typing import Protocol

from backend.lobby.model import Game, GameState, MemberStatus
from kit.postgres import Connection


class GameRows(Protocol):
    """The rows of games and their members (backend.lobby.storage)."""

    async def find(self, connection: Connection, game_id: str) -> Game | None:
        """Return a game, or None."""

    async def list_in_state(self, connection: Connection, state: GameState) -> list[str]:
        """Return the ids of the games in a state."""

    async def set_statuses(
        self, connection: Connection, game_id: str, statuses: Mapping[str, MemberStatus]
    ) -> None:
        """Note what the engine says of each player."""

    async def set_engine_version(self, connection: Connection, game_id: str, semver: str) -> None:
        """Have a locked game run on another engine version."""
