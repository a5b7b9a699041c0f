"""Operators and players: looking them up, ending their sessions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from backend.admin.model import Operator, Role
from backend.admin.ports import AuditLog, RequireOperator
from backend.api.fields import IdPath
from backend.auth.sessions import DeviceSessions
from backend.leadership.ports import Transactions
from backend.push.model import InvalidationReason
from backend.users.leaving import account_json, preferences_json
from backend.users.model import AccountStatus
from backend.users.service import UserDirectory
from kit.rest import Page, Paging, Schema


class UserRow(Schema):
    """A player in a list."""

    user_id: str
    email: str
    display_name: str
    locale: str
    time_zone: str
    status: AccountStatus
    declared_country: str | None
    created_at: datetime


class SessionRow(Schema):
    """A player's device session."""

    device_session_id: str
    device_name: str
    country: str | None
    status: str
    created_at: datetime
    last_used_at: datetime
    revoked_at: datetime | None


class UserDetail(UserRow):
    """A player."""

    email_off: list[str]
    sessions: Sequence[SessionRow]


class Revoked(Schema):
    """How many sessions were ended."""

    revoked: int


def players_router(
    directory: UserDirectory,
    sessions: DeviceSessions,
    transactions: Transactions,
    audit: AuditLog,
    require_operator: RequireOperator,
) -> APIRouter:
    """Build the admin calls about players."""
    router = APIRouter(tags=["players"])
    Viewer = Annotated[Operator, Depends(require_operator(Role.VIEWER))]  # noqa: N806 - a type, named as one
    Acting = Annotated[Operator, Depends(require_operator(Role.OPERATOR))]  # noqa: N806 - as above

    @router.get("/users", response_model=Page[UserRow])
    async def list_users(
        _: Viewer,
        paging: Annotated[Paging, Depends()],
        search: Annotated[str, Query(max_length=254, description="part of an address or a name")] = "",
    ) -> Page[Any]:
        """List players, newest first."""
        found, total = directory.page(paging.offset, paging.page_size, search)
        return paging.of([account_json(account) for account in found], total)

    @router.get("/users/{user_id}", response_model=UserDetail)
    async def get_user(_: Viewer, user_id: IdPath) -> dict[str, Any]:
        """Return a player with their device sessions."""
        account = directory.get(user_id)
        async with transactions.read() as connection:
            devices = await sessions.export(connection, user_id)
        preferences = preferences_json(account)
        return {**account_json(account), "email_off": preferences["email_off"], "sessions": devices}

    @router.post("/users/{user_id}/sessions/revoke")
    async def revoke_sessions(operator: Acting, user_id: IdPath) -> Revoked:
        """Sign a player out everywhere."""
        directory.get(user_id)
        async with transactions.write() as connection:
            ended = await sessions.end_all(connection, user_id, InvalidationReason.REVOKED_BY_OPERATOR)
            count = len(ended.sessions)
            await audit.record(connection, operator, "user.sessions_revoked", user_id, {"revoked": count})
        ended.announce()
        return Revoked(revoked=count)

    return router
