"""The declared table of mail templates: which there are and which variables each one takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from mail.templates.errors import BadVariables, UnknownTemplate

LOCALES = ("en", "ru")
DEFAULT_LOCALE = "en"
TEXT_CHARACTERS_MAX = 4000
NAME_CHARACTERS_MAX = 300


class Kind(StrEnum):
    """What a variable may be."""

    NAME = "name"  # one line that people chose: never a link, never markup
    LABEL = "label"  # one line that the platform chose: an id, a version, a code
    TEXT = "text"  # several lines, shown as they are
    NUMBER = "number"
    INSTANT = "instant"  # RFC 3339
    URL = "url"  # http or https, written by one of our services


@dataclass(frozen=True)
class Variable:
    """One variable of a template."""

    kind: Kind
    nullable: bool = False
    optional: bool = False


def _name(*, nullable: bool = False) -> Variable:
    return Variable(Kind.NAME, nullable)


def _label(*, nullable: bool = False) -> Variable:
    return Variable(Kind.LABEL, nullable)


EVERY_MAIL = {
    "display_name": Variable(Kind.NAME, nullable=True, optional=True),
    "time_zone": Variable(Kind.LABEL, nullable=True, optional=True),
}

SIGN_IN_CODE = "auth.sign_in_code"

TEMPLATES: Mapping[str, Mapping[str, Variable]] = {
    SIGN_IN_CODE: {"code": _label(), "minutes": Variable(Kind.NUMBER)},
    "account.new_device": {
        "device_name": _name(),
        "country": _name(nullable=True),
        "signed_in_at": Variable(Kind.INSTANT),
        "sign_out_url": Variable(Kind.URL),
    },
    "game.turn.ready": {
        "game_id": _label(),
        "game_name": _name(),
        "turn": Variable(Kind.NUMBER),
        "deadline_at": Variable(Kind.INSTANT, nullable=True),
    },
    "game.started": {"game_id": _label(), "game_name": _name()},
    "lobby.application.submitted": {"game_id": _label(), "game_name": _name(), "applicant_name": _name()},
    "lobby.application.approved": {"game_id": _label(), "game_name": _name(), "race_name": _name()},
    "lobby.invite.created": {
        "game_id": _label(),
        "game_name": _name(),
        "invite_id": _label(),
        "inviter_name": _name(),
    },
    "admin.alert": {
        "notification_type": _label(),
        "occurred_at": Variable(Kind.INSTANT),
        "game_id": _label(nullable=True),
        "game_name": _name(nullable=True),
        "engine_version": _label(nullable=True),
        "error": Variable(Kind.TEXT),
    },
}


def check(template_id: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return exactly the variables that the template takes, optional ones filled with None.

    Raises UnknownTemplate or BadVariables; both name what is wrong without quoting a value.
    """
    declared = TEMPLATES.get(template_id)
    if declared is None:
        raise UnknownTemplate("no template of that name")
    wanted = {**EVERY_MAIL, **declared}
    if unknown := sorted(set(variables) - set(wanted)):
        raise BadVariables(f"{template_id} takes no variable {unknown[0][:40]!r}")
    checked: dict[str, Any] = {}
    for name, variable in wanted.items():
        if name not in variables:
            if not variable.optional:
                raise BadVariables(f"{template_id} wants variable {name!r}")
            checked[name] = None
            continue
        value = variables[name]
        if value is None and not variable.nullable:
            raise BadVariables(f"{template_id}: {name!r} may not be null")
        if value is not None and not _fits(variable.kind, value):
            raise BadVariables(f"{template_id}: {name!r} is no {variable.kind}")
        checked[name] = value
    return checked


def _fits(kind: Kind, value: Any) -> bool:
    if kind is Kind.NUMBER:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9
    if not isinstance(value, str):
        return False
    match kind:
        case Kind.NAME | Kind.LABEL:
            return len(value) <= NAME_CHARACTERS_MAX
        case Kind.TEXT:
            return len(value) <= TEXT_CHARACTERS_MAX
        case Kind.URL:
            return len(value) <= 2000 and value.isascii() and _is_web_url(value)
        case Kind.INSTANT:
            return _is_instant(value)


def _is_web_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    printable = all(33 <= ord(c) < 127 and c not in "<>\"'" for c in value)
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and printable


def _is_instant(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False
