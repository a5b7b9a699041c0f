"""Play's calls under `/api/v1/user` (docs/ARCHITECTURE.md, 3.3)."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field

from backend.api.model import IdempotentCall, Player
from backend.lobby.paths import GameId
from backend.play.archive import Archive
from backend.play.model import ReportFormat
from backend.play.orders import Orders
from backend.play.orders_body import TURN_MAX, SentOrders, described_body, read_orders
from kit.clock import rfc3339
from kit.rest import Page, Paging, Schema, dumps


class FinalBody(Schema):
    """The *final* mark for a turn."""

    turn: int = Field(ge=1, le=TURN_MAX)
    final: bool


class StoredOrders(Schema):
    """Orders are stored; `check` is what the engine says of them, null while it does not answer."""

    turn: int
    final: bool
    stored_at: datetime
    check: dict[str, Any] | None


class CheckedOrders(Schema):
    """What the engine says of orders that were not stored."""

    turn: int
    check: dict[str, Any]


class FinalMark(Schema):
    """The mark is set or withdrawn."""

    turn: int
    final: bool
    stored_at: datetime


class FiledOrders(Schema):
    """What the viewer filed."""

    game_id: str
    turn: int
    orders: dict[str, Any] | None
    final: bool
    stored_at: datetime | None


class TurnView(Schema):
    """A published turn."""

    turn: int
    generated_at: str
    state_hash: str


class ReportView(Schema):
    """The viewer's report of a turn: an object, or a text."""

    game_id: str
    turn: int
    format: ReportFormat
    report: dict[str, Any] | str


def play_router(
    orders: Orders,
    archive: Archive,
    current_player: Callable[[Request], Awaitable[Player]],
    idempotent_call: Callable[[Request], Awaitable[IdempotentCall | None]],
) -> APIRouter:
    """Return play's routes, without the family's prefix."""
    router = APIRouter(tags=["play"])
    current = Annotated[Player, Depends(current_player)]
    repeat = Annotated[IdempotentCall | None, Depends(idempotent_call)]
    wanted = Annotated[Paging, Depends(Paging)]
    described = described_body()

    async def admitted(me: current, game_id: GameId, request: Request) -> SentOrders:
        # Reading a body costs many times its length: strangers, and those who name no game, are told so before it.
        await orders.admit(me.user_id, game_id)
        return await read_orders(request)

    sent = Annotated[SentOrders, Depends(admitted)]

    @router.get("/games/{game_id}/orders", response_model=FiledOrders)
    async def get_orders(
        me: current, game_id: GameId, turn: Annotated[int | None, Query(ge=1, le=TURN_MAX)] = None
    ) -> Response:
        return _json(await orders.get(me.user_id, game_id, turn))

    @router.put("/games/{game_id}/orders", response_model=StoredOrders, openapi_extra=described)
    async def put_orders(me: current, game_id: GameId, body: sent, call: repeat) -> Response:
        return _json(await orders.put(me.user_id, game_id, body.turn, body.orders, call))

    @router.post("/games/{game_id}/orders/check", response_model=CheckedOrders, openapi_extra=described)
    async def check_orders(me: current, game_id: GameId, body: sent) -> Response:
        return _json(await orders.check(me.user_id, game_id, body.turn, body.orders))

    @router.post("/games/{game_id}/orders/final", response_model=FinalMark)
    async def finalize_orders(me: current, game_id: GameId, body: FinalBody, call: repeat) -> Response:
        return _json(await orders.finalize(me.user_id, game_id, body.turn, body.final, call))

    @router.get("/games/{game_id}/turns")
    async def list_turns(me: current, game_id: GameId, paging: wanted) -> Page[TurnView]:
        rows, total = await archive.list_turns(me.user_id, game_id, paging.page_size, paging.offset)
        items = [
            TurnView(turn=row.turn, generated_at=rfc3339(row.generated_at), state_hash=row.state_hash)
            for row in rows
        ]
        return paging.of(items, total)

    @router.get("/games/{game_id}/turns/{turn}/report", response_model=ReportView)
    async def get_report(
        me: current,
        game_id: GameId,
        turn: Annotated[int, Path(ge=0, le=TURN_MAX)],
        format: Annotated[ReportFormat, Query()] = ReportFormat.JSON,  # noqa: A002 - the wire's word
    ) -> Response:
        body = await archive.report(me.user_id, game_id, turn, format)
        # The engine's bytes go out as they are: parsing a large report only to write it again would cost more than the rest.
        report = orjson.Fragment(body) if format is ReportFormat.JSON else body.decode()
        return _json({"game_id": game_id, "turn": turn, "format": format, "report": report})

    return router


def _json(body: Mapping[str, Any]) -> Response:
    return Response(dumps(body), media_type="application/json")
