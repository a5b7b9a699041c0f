"""Operators' calls about games and engines, under `/api/v1/admin` (docs/ARCHITECTURE.md, 3.4)."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from backend.admin.model import Operator, Role
from backend.admin.ports import AuditLog, RequireOperator
from backend.lobby.model import GameState
from backend.lobby.paths import GameId
from backend.play.control import GameControl
from backend.runtime.model import Operation
from backend.runtime.operations import OperationLog
from kit.clock import rfc3339
from kit.ids import is_uuid
from kit.postgres import Connection
from kit.rest import ApiError, Page, Paging, Schema

Audit = Callable[[Connection], Awaitable[None]]


class PatchBody(Schema):
    """Which engine version a game should move to."""

    engine_version: str = Field(max_length=50)


class OperationView(Schema):
    """One row of the operation log."""

    operation_id: str
    game_id: str
    kind: str
    requested_by: str
    started_at: str
    finished_at: str | None
    outcome: str | None
    error: str | None


def _view(row: Operation) -> OperationView:
    return OperationView(
        operation_id=row.operation_id,
        game_id=row.game_id,
        kind=row.kind,
        requested_by=row.requested_by,
        started_at=rfc3339(row.started_at),
        finished_at=rfc3339(row.finished_at) if row.finished_at else None,
        outcome=row.outcome,
        error=row.error,
    )


def game_control_router(
    control: GameControl,
    operations: OperationLog,
    require_operator: RequireOperator,
    audit_log: AuditLog,
) -> APIRouter:
    """Return the routes, without the family's prefix."""
    router = APIRouter(tags=["games"])
    viewer = Annotated[Operator, Depends(require_operator(Role.VIEWER))]
    acting = Annotated[Operator, Depends(require_operator(Role.OPERATOR))]
    wanted = Annotated[Paging, Depends(Paging)]

    def audited(operator: Operator, action: str, game_id: str) -> Audit:
        async def audit(connection: Connection) -> None:
            await audit_log.record(connection, operator, action, game_id)

        return audit

    @router.get("/games")
    async def list_all_games(
        _: viewer, paging: wanted, state: GameState | None = None
    ) -> Page[dict[str, Any]]:
        rows, total = await control.list(state, paging.page_size, paging.offset)
        return paging.of(rows, total)

    @router.get("/games/{game_id}")
    async def show_game(_: viewer, game_id: GameId) -> dict[str, Any]:
        return await control.get(game_id)

    @router.post("/games/{game_id}/force-next-turn")
    async def force_next_turn(operator: acting, game_id: GameId) -> dict[str, Any]:
        audit = audited(operator, "game.force_next_turn", game_id)
        return await control.force_next_turn(game_id, operator.login, audit)

    @router.post("/games/{game_id}/stop")
    async def stop_engine(operator: acting, game_id: GameId) -> dict[str, Any]:
        return await control.stop(game_id, operator.login, audited(operator, "game.stop", game_id))

    @router.post("/games/{game_id}/restart")
    async def restart_engine(operator: acting, game_id: GameId) -> dict[str, Any]:
        audit = audited(operator, "game.restart", game_id)
        return await control.restart(game_id, operator.login, audit)

    @router.post("/games/{game_id}/pause")
    async def pause_any_game(operator: acting, game_id: GameId) -> dict[str, Any]:
        return await control.pause(game_id, audited(operator, "game.pause", game_id))

    @router.post("/games/{game_id}/resume")
    async def resume_any_game(operator: acting, game_id: GameId) -> dict[str, Any]:
        audit = audited(operator, "game.resume", game_id)
        return await control.resume(game_id, operator.login, audit)

    @router.post("/games/{game_id}/patch")
    async def patch_game(operator: acting, game_id: GameId, body: PatchBody) -> dict[str, Any]:
        audit = audited(operator, "game.patch", game_id)
        return await control.patch(game_id, body.engine_version, operator.login, audit)

    @router.get("/runtime/operations")
    async def list_operations(_: viewer, paging: wanted, game_id: str | None = None) -> Page[OperationView]:
        if game_id is not None and not is_uuid(game_id):
            raise ApiError(422, "invalid_request", "game_id is no UUID")
        rows, total = await operations.list(game_id, paging.page_size, paging.offset)
        return paging.of([_view(row) for row in rows], total)

    return router
