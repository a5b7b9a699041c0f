"""Ids in the paths of calls about games. What can be no id of ours is answered like one that is not there."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends

from backend.lobby.errors import ApplicationNotFound, GameNotFound, InviteNotFound
from kit.ids import is_uuid
from kit.refusals import Refusal


def _id_or(refusal: type[Refusal]) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not is_uuid(value):
            raise refusal
        return value

    return check


def game_id_of(game_id: str) -> str:
    """Return the path's game id. Raises GameNotFound for what can be none."""
    return _id_or(GameNotFound)(game_id)


def _application_id_of(application_id: str) -> str:
    return _id_or(ApplicationNotFound)(application_id)


def _invite_id_of(invite_id: str) -> str:
    return _id_or(InviteNotFound)(invite_id)


GameId = Annotated[str, Depends(game_id_of)]
ApplicationId = Annotated[str, Depends(_application_id_of)]
InviteId = Annotated[str, Depends(_invite_id_of)]
