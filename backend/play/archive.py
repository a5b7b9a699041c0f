"""Reading what was played: turns and reports."""

from backend.leadership.ports import Transactions
from backend.lobby.errors import NotMember
from backend.lobby.service import Lobby
from backend.play.errors import ReportNotFound
from backend.play.model import ReportFormat, Turn
from backend.play.storage import PlayStorage


class Archive:
    """Use cases of readers; nothing here ever changes."""

    def __init__(self, transactions: Transactions, storage: PlayStorage, lobby: Lobby) -> None:
        self._transactions = transactions
        self._storage = storage
        self._lobby = lobby

    async def list_turns(self, user_id: str, game_id: str, limit: int, offset: int) -> tuple[list[Turn], int]:
        """Return a page of a game's turns, newest first, and how many there are. Raises GameNotFound."""
        async with self._transactions.read() as connection:
            await self._lobby.visible(connection, user_id, game_id)
            return await self._storage.list_turns(connection, game_id, limit, offset)

    async def report(self, user_id: str, game_id: str, turn: int, form: ReportFormat) -> bytes:
        """Return one's own report of a turn, as the engine sent it. Raises GameNotFound, NotMember, ReportNotFound."""
        async with self._transactions.read() as connection:
            game = await self._lobby.visible(connection, user_id, game_id)
            member = game.member_of(user_id)
            if member is None:
                raise NotMember
            body = await self._storage.find_report(connection, game_id, turn, member.player_id, form)
        if body is None:
            raise ReportNotFound(turn=turn)
        return body
