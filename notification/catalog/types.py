"""The declared table of notification types."""

from collections.abc import Mapping
from typing import Any

import jsonschema

from notification.catalog.model import AudienceKind, Channel, NotificationType, PayloadMismatch

_ID: Mapping[str, Any] = {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
_NAME = {"type": "string", "minLength": 1, "maxLength": 200}
_OPTIONAL_NAME = {"type": ["string", "null"], "maxLength": 200}
_INSTANT = {
    "type": "string",
    "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})$",
}
_OPTIONAL_INSTANT = {**_INSTANT, "type": ["string", "null"]}
_URL = {"type": "string", "pattern": "^https?://[!-~]+$", "maxLength": 2000}

_BOTH = (Channel.PUSH, Channel.EMAIL)
_GAME: Mapping[str, Mapping[str, Any]] = {"game_id": _ID, "game_name": _NAME}
_RUNTIME_FAILURE: Mapping[str, Mapping[str, Any]] = {
    "game_id": {"type": ["string", "null"], "maxLength": 200},
    "game_name": _OPTIONAL_NAME,
    "engine_version": _OPTIONAL_NAME,
    "error": {"type": "string", "maxLength": 4000},
}


def _payload(**fields: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": "object", "properties": fields, "required": sorted(fields), "additionalProperties": False}


def _for_players(name: str, payload: Mapping[str, Any]) -> NotificationType:
    return NotificationType(name, AudienceKind.USER, _BOTH, payload, can_switch_off=True, template_id=name)


def _for_operators(name: str) -> NotificationType:
    return NotificationType(
        name,
        AudienceKind.ADMIN,
        (Channel.EMAIL,),
        _payload(**_RUNTIME_FAILURE),
        template_id="admin.alert",
    )


TYPES = (
    _for_players(
        "game.turn.ready",
        _payload(**_GAME, turn={"type": "integer", "minimum": 0}, deadline_at=_OPTIONAL_INSTANT),
    ),
    _for_players("game.started", _payload(**_GAME)),
    _for_players("lobby.application.submitted", _payload(**_GAME, applicant_name=_NAME)),
    _for_players("lobby.application.approved", _payload(**_GAME, race_name=_NAME)),
    _for_players("lobby.invite.created", _payload(**_GAME, invite_id=_ID, inviter_name=_NAME)),
    NotificationType(
        "account.new_device",
        AudienceKind.USER,
        _BOTH,
        _payload(device_name=_NAME, country=_OPTIONAL_NAME, signed_in_at=_INSTANT, sign_out_url=_URL),
        mail_only=frozenset({"sign_out_url"}),
        template_id="account.new_device",
    ),
    _for_operators("runtime.image_pull_failed"),
    _for_operators("runtime.container_start_failed"),
    _for_operators("runtime.start_config_invalid"),
    _for_operators("runtime.turn_failed"),
    NotificationType("user.deleted", AudienceKind.USER, (), _payload(user_id=_ID), ends_user=True),
)


class Catalog:
    """The table with its validators, built once."""

    def __init__(self, types: tuple[NotificationType, ...] = TYPES) -> None:
        self._types = {entry.name: entry for entry in types}
        self._validators = {
            entry.name: jsonschema.Draft202012Validator(dict(entry.payload_schema)) for entry in types
        }

    def find(self, name: str) -> NotificationType | None:
        """Return a type, or None where the catalog has none of that name."""
        return self._types.get(name)

    def names(self) -> list[str]:
        """Return the names in order of declaration."""
        return list(self._types)

    def check(self, name: str, payload: Any) -> None:
        """Raise PayloadMismatch unless the payload fits the type's schema; KeyError for an unknown type."""
        error = next(iter(self._validators[name].iter_errors(payload)), None)
        if error is not None:
            place = ".".join(str(part) for part in error.absolute_path) or "payload"
            raise PayloadMismatch(f"{place[:80]}: does not fit {error.validator} of {name}")
