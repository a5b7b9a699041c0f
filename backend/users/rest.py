"""Accounts over HTTP: the player's own calls, the other services' lookup, and the unsubscribe page."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import Field

from backend.api.fields import IdPath, Line
from backend.api.model import Player
from backend.api.pages import OVER, language_of, page
from backend.users.errors import LinkOver
from backend.users.leaving import Leaving, account_json, preferences_json
from backend.users.mail_kinds import KINDS, kind_of
from backend.users.model import Account, AccountStatus
from backend.users.service import EMAIL_OFF_MAX, UserDirectory
from kit.rest import Schema

NotificationType = Annotated[str, Field(pattern=r"^[a-z_]+(\.[a-z_]+)+$", max_length=64)]
HourMinute = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class AccountView(Schema):
    """An account as its owner sees it."""

    user_id: str
    email: str
    display_name: str
    locale: str
    time_zone: str
    status: AccountStatus
    declared_country: str | None
    created_at: datetime


class AccountChange(Schema):
    """What to change; at least one field."""

    display_name: Annotated[Line, Field(min_length=1, max_length=40)] | None = None
    locale: Literal["en", "ru"] | None = None
    time_zone: Annotated[str, Field(max_length=64)] | None = None


class QuietHours(Schema):
    """No mail but sign-in codes in these hours of the account's time zone."""

    from_: HourMinute = Field(alias="from")
    to: HourMinute


class Preferences(Schema):
    """How a player wants to be reached."""

    email_off: Annotated[list[NotificationType], Field(max_length=EMAIL_OFF_MAX)]
    quiet_hours: QuietHours | None = None


class PreferencesView(Preferences):
    """The preferences, and of what there are mails to be switched off."""

    email_types: list[str]


class InternalUser(Schema):
    """An account as other services need it."""

    user_id: str
    status: AccountStatus
    email: str
    display_name: str
    locale: str
    time_zone: str
    email_off: list[str]
    quiet_hours: QuietHours | None
    unsubscribe_token: str


class Done(Schema):
    """It is done."""

    status: Literal["done"] = "done"


def user_router(
    directory: UserDirectory, leaving: Leaving, current_player: Callable[..., Awaitable[Player]]
) -> APIRouter:
    """Build the player's own calls."""
    router = APIRouter(tags=["account"])
    Me = Annotated[Player, Depends(current_player)]  # noqa: N806 - a type, named as one

    @router.get("/account", response_model=AccountView)
    async def get_account(me: Me) -> dict[str, Any]:
        """Return one's own account."""
        return account_json(directory.get(me.user_id))

    @router.patch("/account", response_model=AccountView)
    async def update_account(me: Me, body: AccountChange) -> dict[str, Any]:
        """Change name, language or time zone."""
        changed = await directory.update(me.user_id, body.display_name, body.locale, body.time_zone)
        return account_json(changed)

    @router.get("/account/export")
    async def export_account(me: Me) -> dict[str, Any]:
        """Return everything kept about one's account."""
        return await leaving.export(me.user_id)

    @router.post("/account/delete")
    async def delete_account(me: Me) -> Done:
        """Delete one's account for good; every session ends."""
        await leaving.delete(me.user_id)
        return Done()

    @router.get("/preferences", response_model=PreferencesView)
    async def get_preferences(me: Me) -> dict[str, Any]:
        """Return which mails are off and when it should be quiet."""
        return _with_types(directory.get(me.user_id))

    @router.put("/preferences", response_model=PreferencesView)
    async def put_preferences(me: Me, body: Preferences) -> dict[str, Any]:
        """Replace the preferences."""
        quiet = body.quiet_hours.model_dump(by_alias=True) if body.quiet_hours else None
        return _with_types(await directory.set_preferences(me.user_id, body.email_off, quiet))

    return router


def _with_types(account: Account) -> dict[str, Any]:
    return preferences_json(account) | {"email_types": sorted(KINDS["en"])}


def internal_router(directory: UserDirectory) -> APIRouter:
    """Build the other services' lookup."""
    router = APIRouter(tags=["internal"])

    @router.get("/users/{user_id}", response_model=InternalUser)
    async def get_user(user_id: IdPath) -> dict[str, Any]:
        """Return how to reach a user; a deleted one has no address."""
        account = directory.get(user_id)
        return {
            "user_id": account.user_id,
            "status": account.status,
            "email": account.email,
            "display_name": account.display_name,
            "locale": account.locale,
            "time_zone": account.time_zone,
            "email_off": list(account.email_off),
            "quiet_hours": account.quiet_hours,
            "unsubscribe_token": directory.unsubscribe_token(account.user_id),
        }

    return router


_TEXTS = {
    "en": {
        "title": "Switch these mails off",
        "ask": "Press the button, and you will get no more mails {kind}. You can switch them on again: "
        "galaxy mails --on {type}",
        "button": "No more of these mails",
        "done_title": "Done",
        "done": "You will get no more mails {kind}. To get them again: galaxy mails --on {type}",
        "over_title": "This link is not valid",
        "over": "It may have been copied incompletely. The command galaxy mails switches mails off, too.",
    },
    "ru": {
        "title": "Отключить такие письма",
        "ask": "Нажмите кнопку, и письма {kind} больше не будут приходить. Включить их снова: "
        "galaxy mails --on {type}",
        "button": "Больше не присылать",
        "done_title": "Готово",
        "done": "Вы больше не будете получать письма {kind}. Включить их снова: galaxy mails --on {type}",
        "over_title": "Ссылка недействительна",
        "over": "Возможно, она скопирована не полностью. Отключить письма можно и командой galaxy mails.",
    },
}
Token = Annotated[str, Query(max_length=200, description="the user's token, from a mail")]
Type = Annotated[str, Query(alias="type", pattern=r"^[a-z_]+(\.[a-z_]+)+$", max_length=64)]


def public_router(directory: UserDirectory) -> APIRouter:
    """Build the unsubscribe page (RFC 8058: the mail client posts to the very link)."""
    router = APIRouter(tags=["unsubscribe"], default_response_class=HTMLResponse)

    @router.get("/notifications/unsubscribe", responses=OVER)
    async def ask(request: Request, token: Token, notification_type: Type) -> HTMLResponse:
        """Show a page with one button; following the link changes nothing."""
        try:
            texts, locale = _texts(directory.whose_link(token).locale)
        except LinkOver:
            return _over(request)
        question = texts["ask"].format(kind=kind_of(notification_type, locale), type=notification_type)
        return page(locale, texts["title"], question, texts["button"])

    @router.post("/notifications/unsubscribe", responses=OVER)
    async def unsubscribe(request: Request, token: Token, notification_type: Type) -> HTMLResponse:
        """Switch e-mail of that type off; again is the same."""
        try:
            account = await directory.unsubscribe(token, notification_type)
        except LinkOver:
            return _over(request)
        texts, locale = _texts(account.locale)
        done = texts["done"].format(kind=kind_of(notification_type, locale), type=notification_type)
        return page(locale, texts["done_title"], done)

    return router


def _texts(locale: str) -> tuple[dict[str, str], str]:
    known = locale if locale in _TEXTS else "en"
    return _TEXTS[known], known


def _over(request: Request) -> HTMLResponse:
    texts, locale = _texts(language_of(request))
    return page(locale, texts["over_title"], texts["over"], status=410)
