"""One lock a game."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class GameLocks:
    """Locks by game id, made when wanted and forgotten when nobody waits."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, game_id: str) -> AsyncIterator[None]:
        """Hold the game's lock for the length of the context. Not reentrant."""
        lock, users = self._locks.get(game_id, (asyncio.Lock(), 0))
        self._locks[game_id] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            _, users = self._locks[game_id]
            if users == 1:
                del self._locks[game_id]
            else:
                self._locks[game_id] = lock, users - 1

    def held(self, game_id: str) -> bool:
        """Tell whether somebody holds it now."""
        return game_id in self._locks
