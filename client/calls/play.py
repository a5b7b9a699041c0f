"""Play: orders in, turns and reports out."""

from collections.abc import Sequence
from typing import Any

from client.calls.caller import Caller
from client.calls.model import Nothing, Orders, OrdersCheck, Page, Report, Turn


def order_text(text: str) -> dict[str, Any]:
    """Return orders in the written form, one a line."""
    return {"format": "text", "text": text}


def order_list(orders: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return orders in the JSON form of the engine's catalogue."""
    return {"format": "json", "orders": list(orders)}


class PlayCalls:
    """Commands `play.*`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def orders(self, game_id: str, turn: int | None = None) -> Orders:
        """Return the player's stored orders, of the coming turn by default."""
        return await self._caller.read("play.orders.get", Orders, game_id=game_id, turn=turn)

    async def put_orders(self, game_id: str, turn: int, orders: dict[str, Any]) -> Orders:
        """Replace the stored orders of a turn; the answer carries verdicts and a forecast."""
        return await self._caller.change("play.orders.put", Orders, game_id=game_id, turn=turn, orders=orders)

    async def check_orders(self, game_id: str, turn: int, orders: dict[str, Any]) -> OrdersCheck:
        """Let the engine judge orders without storing them."""
        return await self._caller.read(
            "play.orders.check", OrdersCheck, game_id=game_id, turn=turn, orders=orders
        )

    async def finalize(self, game_id: str, turn: int, *, final: bool = True) -> Nothing:
        """Say that the orders of a turn stand as they are, or take that back."""
        return await self._caller.change(
            "play.orders.finalize", Nothing, game_id=game_id, turn=turn, final=final
        )

    async def turns(self, game_id: str) -> Page[Turn]:
        """Return the generated turns."""
        return await self._caller.read("play.turn.list", Page[Turn], game_id=game_id)

    async def report(self, game_id: str, turn: int, format: str = "json") -> Report:  # noqa: A002 - the wire's word
        """Return the player's report on a turn, as `json` or `text`."""
        return await self._caller.read("play.report.get", Report, game_id=game_id, turn=turn, format=format)
