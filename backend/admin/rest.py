"""Operators over HTTP: signing in, their own account, other operators, the audit log."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, Field, SecretStr

from backend.admin.access import SignedIn
from backend.admin.audit import StoredAuditLog
from backend.admin.model import AuditRecord, Operator, OperatorSession, Role
from backend.admin.ports import RequireOperator
from backend.admin.service import Operators
from kit.clock import rfc3339
from kit.rest import Page, Paging, Schema

Login = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9._-]{0,63}$")]


def _hashable(secret: SecretStr) -> SecretStr:
    try:
        secret.get_secret_value().encode()
    except UnicodeEncodeError as error:
        raise ValueError("is no valid text") from error
    return secret


NewPassword = Annotated[SecretStr, Field(min_length=12, max_length=256), AfterValidator(_hashable)]
Password = Annotated[SecretStr, Field(min_length=1, max_length=256), AfterValidator(_hashable)]
TotpCode = Annotated[str, Field(pattern="^[0-9]{6}$")]


class LoginBody(Schema):
    """Who signs in."""

    user: Annotated[str, Field(min_length=1, max_length=64)]
    password: Password
    totp: TotpCode | None = None


class LoginAnswer(Schema):
    """A bearer token of 12 hours, 30 minutes idle."""

    token: str
    expires_at: datetime
    login: str
    role: Role


class OperatorView(Schema):
    """An operator."""

    operator_id: str
    login: str
    role: Role
    totp_enabled: bool
    disabled: bool
    created_at: datetime


class PasswordBody(Schema):
    """One's own new password."""

    current_password: Password
    new_password: NewPassword


class TotpSecret(Schema):
    """What an authenticator needs; shown once."""

    secret: str
    provisioning_uri: str


class TotpProof(Schema):
    """A code that the authenticator shows."""

    code: TotpCode


class PasswordProof(Schema):
    """One's own password."""

    password: Password


class NewOperator(Schema):
    """An operator to make."""

    login: Login
    password: NewPassword
    role: Role


class OperatorChange(Schema):
    """What to change of an operator."""

    role: Role | None = None
    disabled: bool | None = None


class AuditView(Schema):
    """One mutation by an operator."""

    id: str
    operator_id: str | None
    login: str
    action: str
    target: str
    details: dict[str, Any]
    request_id: str
    at: datetime


class Done(Schema):
    """It is done."""

    status: str = "done"


def operator_json(operator: Operator) -> dict[str, Any]:
    """Write an operator without secrets."""
    return {
        "operator_id": operator.operator_id,
        "login": operator.login,
        "role": operator.role.value,
        "totp_enabled": operator.totp_enabled,
        "disabled": operator.disabled,
        "created_at": rfc3339(operator.created_at),
    }


def _audit_json(record: AuditRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "operator_id": record.operator_id,
        "login": record.login,
        "action": record.action,
        "target": record.target,
        "details": dict(record.details),
        "request_id": record.request_id,
        "at": rfc3339(record.at),
    }


def own_router(operators: Operators, signed_in: SignedIn) -> APIRouter:
    """Build the calls about one's own session and account."""
    router = APIRouter(tags=["operators"])
    Session = Annotated[OperatorSession, Depends(signed_in)]  # noqa: N806 - a type, named as one

    @router.post("/login", response_model=LoginAnswer)
    async def login(body: LoginBody) -> dict[str, Any]:
        """Sign in as an operator."""
        opened = await operators.sign_in(body.user, body.password.get_secret_value(), body.totp)
        return {
            "token": opened.token,
            "expires_at": rfc3339(opened.expires_at),
            "login": opened.operator.login,
            "role": opened.operator.role.value,
        }

    @router.post("/logout")
    async def logout(session: Session) -> Done:
        """End this session."""
        await operators.sign_out(session)
        return Done()

    @router.get("/me", response_model=OperatorView)
    async def me(session: Session) -> dict[str, Any]:
        """Return one's own account."""
        return operator_json(session.operator)

    @router.post("/me/password")
    async def change_password(session: Session, body: PasswordBody) -> Done:
        """Change one's own password; every other session ends."""
        present, wanted = body.current_password.get_secret_value(), body.new_password.get_secret_value()
        await operators.change_password(session, present, wanted)
        return Done()

    @router.post("/me/totp", response_model=TotpSecret)
    async def begin_totp(session: Session) -> dict[str, Any]:
        """Get a secret for an authenticator; it counts once a code was shown."""
        secret, uri = await operators.begin_totp(session)
        return {"secret": secret, "provisioning_uri": uri}

    @router.post("/me/totp/enable", response_model=OperatorView)
    async def enable_totp(session: Session, body: TotpProof) -> dict[str, Any]:
        """Ask for the authenticator's codes from now on."""
        return operator_json(await operators.enable_totp(session, body.code))

    @router.post("/me/totp/disable", response_model=OperatorView)
    async def disable_totp(session: Session, body: PasswordProof) -> dict[str, Any]:
        """Ask for codes no more."""
        return operator_json(await operators.disable_totp(session, body.password.get_secret_value()))

    return router


def operators_router(
    operators: Operators, audit: StoredAuditLog, require_operator: RequireOperator
) -> APIRouter:
    """Build the calls about other operators and the audit log."""
    router = APIRouter(tags=["operators"])
    Viewer = Annotated[Operator, Depends(require_operator(Role.VIEWER))]  # noqa: N806 - a type, named as one
    Owner = Annotated[Operator, Depends(require_operator(Role.OWNER))]  # noqa: N806 - as above

    @router.get("/operators", response_model=Page[OperatorView])
    async def list_operators(_: Viewer, paging: Annotated[Paging, Depends()]) -> Page[Any]:
        """List operators by login."""
        found = operators.all()
        shown = found[paging.offset : paging.offset + paging.page_size]
        return paging.of([operator_json(operator) for operator in shown], len(found))

    @router.post("/operators", response_model=OperatorView)
    async def create_operator(owner: Owner, body: NewOperator) -> dict[str, Any]:
        """Make an operator."""
        made = await operators.create(owner, body.login, body.password.get_secret_value(), body.role)
        return operator_json(made)

    @router.patch("/operators/{login}", response_model=OperatorView)
    async def change_operator(owner: Owner, login: str, body: OperatorChange) -> dict[str, Any]:
        """Change an operator's role or access."""
        return operator_json(await operators.change(owner, login, body.role, body.disabled))

    @router.get("/audit", response_model=Page[AuditView])
    async def list_audit(_: Viewer, paging: Annotated[Paging, Depends()]) -> Page[Any]:
        """List what operators did, newest first."""
        records, total = await audit.newest(paging.page_size, paging.offset)
        return paging.of([_audit_json(record) for record in records], total)

    return router
