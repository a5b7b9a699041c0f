"""Operators and players: looking them up, ending their sessions, blocking them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from backend.admin.model import Operator, Role
from backend.admin.ports import AuditLog, RequireOperator, Withdrawals
from backend.api.fields import IdPath, Line
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


class Blocking(Schema):
    """Why an account is blocked, for the audit."""

    reason: Annotated[Line, Field(max_length=300)] = ""


class Revoked(Schema):
    """How many sessions were ended."""

    revoked: int


def players_router(
    directory: UserDirectory,
    sessions: DeviceSessions,
    withdrawals: Withdrawals,
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
            details = {"revoked": ended.count}
            await audit.record(connection, operator, "user.sessions_revoked", user_id, details)
        ended.announce()
        return Revoked(revoked=ended.count)

    @router.post("/users/{user_id}/block", response_model=UserRow)
    async def block(operator: Acting, user_id: IdPath, body: Blocking) -> dict[str, Any]:
        """Keep a player out: their sessions end, no sign-in makes another, applications and invites of theirs are withdrawn.

        Again changes nothing.
        """
        async with transactions.write() as connection:
            account, changed = await directory.set_blocked(connection, user_id, blocked=True)
            ended = await sessions.end_all(connection, user_id, InvalidationReason.REVOKED_BY_OPERATOR)
            tell_of_withdrawals = await withdrawals.withdraw_all(connection, user_id)
            if changed:
                details = {"reason": body.reason, "revoked": ended.count}
                await audit.record(connection, operator, "user.blocked", user_id, details)
        directory.committed(account)
        ended.announce()
        tell_of_withdrawals()
        return account_json(account)

    @router.post("/users/{user_id}/unblock", response_model=UserRow)
    async def unblock(operator: Acting, user_id: IdPath) -> dict[str, Any]:
        """Let a blocked player sign in again; what ended or was withdrawn stays over. Again changes nothing."""
        async with transactions.write() as connection:
            account, changed = await directory.set_blocked(connection, user_id, blocked=False)
            if changed:
                await audit.record(connection, operator, "user.unblocked", user_id, {})
        directory.committed(account)
        return account_json(account)

    return router
