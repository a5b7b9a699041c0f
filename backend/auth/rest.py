"""Sign-in and device sessions over HTTP."""

import base64
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import AfterValidator, Field

from backend.api.callers import GATEWAY
from backend.api.fields import UUID_PATTERN, IdPath, Line
from backend.api.model import Player
from backend.api.pages import OVER, language_of, page
from backend.auth.errors import LinkOver
from backend.auth.model import Device, DeviceSession, SessionStatus
from backend.auth.service import SignInService
from backend.auth.sessions import DeviceSessions
from backend.geo.address import client_address
from backend.push.model import InvalidationReason
from kit.clock import rfc3339
from kit.rest import Page, Paging, Schema, ServiceAuth


def _public_key(text: str) -> str:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ValueError("wants base64 of the 32 bytes of an Ed25519 public key") from error
    if len(raw) != 32:
        raise ValueError("wants base64 of the 32 bytes of an Ed25519 public key")
    return text


DeviceName = Annotated[Line, Field(min_length=1, max_length=64)]


class SendCode(Schema):
    """Where to send a code."""

    email: Annotated[str, Field(min_length=3, max_length=320)]
    locale: Literal["en", "ru"] | None = None


class CodeSent(Schema):
    """The same for everybody, whoever the address belongs to."""

    challenge_id: str
    expires_at: datetime
    mail_delayed: bool = Field(description="mail is slow just now; the code may come late")


class ConfirmCode(Schema):
    """The code from the mailbox, and the device that will hold the session."""

    challenge_id: Annotated[str, Field(pattern=UUID_PATTERN)]
    code: Annotated[str, Field(pattern="^[0-9]{6}$")]
    client_public_key: Annotated[str, Field(max_length=64), AfterValidator(_public_key)]
    time_zone: Annotated[str, Field(min_length=1, max_length=64)]
    device_name: DeviceName


class SignedIn(Schema):
    """A device session."""

    device_session_id: str
    user_id: str
    new_account: bool


class OwnSession(Schema):
    """A device session as its owner sees it."""

    device_session_id: str
    device_name: str
    created_at: datetime
    last_used_at: datetime
    current: bool


class Rename(Schema):
    """A device's new name."""

    device_name: DeviceName


class Revoked(Schema):
    """How many sessions were ended."""

    revoked: int


class InternalSession(Schema):
    """A device session as other services see it."""

    device_session_id: str
    user_id: str
    status: SessionStatus
    client_public_key: str
    created_at: datetime
    revoked_at: datetime | None


class RevokeReason(Schema):
    """Why sessions are ended."""

    reason: InvalidationReason = InvalidationReason.REVOKED_BY_OPERATOR


def own_session_json(session: DeviceSession, current_id: str) -> dict[str, Any]:
    """Write a session as its owner sees it."""
    return {
        "device_session_id": session.device_session_id,
        "device_name": session.device_name,
        "created_at": rfc3339(session.created_at),
        "last_used_at": rfc3339(session.last_used_at),
        "current": session.device_session_id == current_id,
    }


def internal_session_json(session: DeviceSession) -> dict[str, Any]:
    """Write a session as other services see it."""
    return {
        "device_session_id": session.device_session_id,
        "user_id": session.user_id,
        "status": session.status.value,
        "client_public_key": base64.b64encode(session.client_public_key).decode(),
        "created_at": rfc3339(session.created_at),
        "revoked_at": rfc3339(session.revoked_at) if session.revoked_at else None,
    }


def public_router(sign_in: SignInService, service_auth: ServiceAuth) -> APIRouter:
    """Build the calls that need no session."""
    router = APIRouter(tags=["sign-in"])

    def address_of(request: Request) -> str:
        caller = service_auth.caller_of(request.headers.get("authorization"))
        return client_address(request, behind_gateway=caller == GATEWAY)

    @router.post("/auth/send-email-code", response_model=CodeSent)
    async def send_email_code(request: Request, body: SendCode) -> dict[str, Any]:
        """Send a code; the answer does not tell whether the address has an account."""
        sent = await sign_in.send_code(body.email, body.locale, address_of(request))
        return {
            "challenge_id": sent.challenge_id,
            "expires_at": rfc3339(sent.expires_at),
            "mail_delayed": sent.mail_delayed,
        }

    @router.post("/auth/confirm-email-code")
    async def confirm_email_code(request: Request, body: ConfirmCode) -> SignedIn:
        """Turn a code into a device session."""
        device = Device(
            base64.b64decode(body.client_public_key), body.time_zone, body.device_name, address_of(request)
        )
        made = await sign_in.confirm(body.challenge_id, body.code, device)
        return SignedIn(
            device_session_id=made.device_session_id, user_id=made.user_id, new_account=made.new_account
        )

    return router


def user_router(sessions: DeviceSessions, current_player: Callable[..., Awaitable[Player]]) -> APIRouter:
    """Build the player's own calls about devices."""
    router = APIRouter(tags=["sessions"])
    Me = Annotated[Player, Depends(current_player)]  # noqa: N806 - a type, named as one

    @router.get("/sessions", response_model=Page[OwnSession])
    async def list_sessions(me: Me, paging: Annotated[Paging, Depends()]) -> Page[Any]:
        """List one's devices, newest first."""
        found = sessions.of_user(me.user_id)
        shown = found[paging.offset : paging.offset + paging.page_size]
        return paging.of([own_session_json(s, me.device_session_id) for s in shown], len(found))

    @router.patch("/sessions/{device_session_id}", response_model=OwnSession)
    async def rename_session(me: Me, device_session_id: IdPath, body: Rename) -> dict[str, Any]:
        """Name a device."""
        renamed = await sessions.rename(me.user_id, device_session_id, body.device_name)
        return own_session_json(renamed, me.device_session_id)

    @router.post("/sessions/{device_session_id}/revoke", response_model=InternalSession)
    async def revoke_session(me: Me, device_session_id: IdPath) -> dict[str, Any]:
        """Sign a device out."""
        ended = await sessions.revoke(
            device_session_id, InvalidationReason.REVOKED_BY_USER, of_user=me.user_id
        )
        return internal_session_json(ended)

    @router.post("/sessions/revoke-all")
    async def revoke_all_sessions(me: Me) -> Revoked:
        """Sign every device out, this one too."""
        return Revoked(revoked=await sessions.revoke_all(me.user_id, InvalidationReason.REVOKED_BY_USER))

    return router


def internal_router(sessions: DeviceSessions) -> APIRouter:
    """Build the other services' calls."""
    router = APIRouter(tags=["internal"])

    @router.get("/sessions/{device_session_id}", response_model=InternalSession)
    async def get_session(device_session_id: IdPath) -> dict[str, Any]:
        """Look a session up; asked once for each authenticated request."""
        return internal_session_json(sessions.look_up(device_session_id))

    @router.post("/sessions/{device_session_id}/revoke", response_model=InternalSession)
    async def revoke_session(device_session_id: IdPath, body: RevokeReason) -> dict[str, Any]:
        """End a session; again is the same."""
        return internal_session_json(await sessions.revoke(device_session_id, body.reason))

    @router.post("/users/{user_id}/sessions/revoke")
    async def revoke_sessions_of_user(user_id: IdPath, body: RevokeReason) -> Revoked:
        """End every session of a user."""
        return Revoked(revoked=await sessions.revoke_all(user_id, body.reason))

    return router


_TEXTS = {
    "en": {
        "title": "Sign out everywhere",
        "ask": "Every device that is signed in to your account will be signed out. Sign in again with a code from "
        "your mailbox.",
        "button": "Sign out everywhere",
        "done_title": "Signed out",
        "done": "Every device has been signed out of your account. To come back: galaxy sign-in",
        "over_title": "This link is not valid any more",
        "over": "To end sessions, sign in again (galaxy sign-in), then: galaxy sessions revoke-all",
    },
    "ru": {
        "title": "Выйти на всех устройствах",
        "ask": "Все устройства, вошедшие в ваш аккаунт, будут отключены. Войти снова можно по коду из письма.",
        "button": "Выйти на всех устройствах",
        "done_title": "Готово",
        "done": "Все устройства вышли из вашего аккаунта. Чтобы вернуться: galaxy sign-in",
        "over_title": "Ссылка больше не действует",
        "over": "Чтобы завершить сеансы, войдите снова (galaxy sign-in), затем: galaxy sessions revoke-all",
    },
}
Token = Annotated[str, Query(max_length=200, description="the link's token, from a mail")]


def pages_router(sign_in: SignInService) -> APIRouter:
    """Build the page behind the link in mails about new devices."""
    router = APIRouter(tags=["sign-in"], default_response_class=HTMLResponse)

    @router.get("/auth/sign-out-everywhere", responses=OVER)
    async def ask(request: Request, token: Token) -> HTMLResponse:
        """Show a page with one button: mail scanners follow links, and must not sign anybody out."""
        try:
            texts, locale = _texts((await sign_in.whose_link(token)).locale)
        except LinkOver:
            return _over(request)
        return page(locale, texts["title"], texts["ask"], texts["button"])

    @router.post("/auth/sign-out-everywhere", responses=OVER)
    async def sign_out(request: Request, token: Token) -> HTMLResponse:
        """Sign every device of the link's owner out."""
        try:
            texts, locale = _texts((await sign_in.sign_out_everywhere(token)).locale)
        except LinkOver:
            return _over(request)
        return page(locale, texts["done_title"], texts["done"])

    return router


def _texts(locale: str) -> tuple[dict[str, str], str]:
    known = locale if locale in _TEXTS else "en"
    return _TEXTS[known], known


def _over(request: Request) -> HTMLResponse:
    texts, locale = _texts(language_of(request))
    return page(locale, texts["over_title"], texts["over"], status=410)
