"""Places in which turns are generated, shared out among owners of games."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairSlots:
    """A fixed number of slots, of which one owner's games never take more than half (rounded up).

    However many games somebody has, and however slow their engines are, others' turns find a slot. A free one goes to the
    owner who holds fewest, and among those to whoever has waited longest.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._each = (slots + 1) // 2
        self._taken: Counter[str] = Counter()
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def hold(self, owner_id: str) -> AsyncIterator[None]:
        """Hold a slot on an owner's account for the length of the context."""
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((owner_id, mine))
        self._hand_out()
        try:
            await mine
            yield
        finally:
            if mine.cancelled():
                self._waiting.remove((owner_id, mine))
            else:
                self._give_back(owner_id)

    def _hand_out(self) -> None:
        while self._free:
            entitled = [
                waiting
                for waiting in self._waiting
                if self._taken[waiting[0]] < self._each and not waiting[1].done()
            ]
            if not entitled:
                return
            chosen = min(entitled, key=lambda waiting: self._taken[waiting[0]])
            self._waiting.remove(chosen)
            owner_id, slot = chosen
            self._free -= 1
            self._taken[owner_id] += 1
            slot.set_result(None)

    def _give_back(self, owner_id: str) -> None:
        self._free += 1
        self._taken[owner_id] -= 1
        if not self._taken[owner_id]:
            del self._taken[owner_id]
        self._hand_out()
