"""Finds what a person means: a game by name or by the end of its id, an applicant by name."""

from client.calls.model import Application, Game
from client.errors import Refused
from client.sdk import Galaxy
from kit.ids import is_uuid

_OVER = {"finished", "cancelled"}


async def find_game(galaxy: Galaxy, text: str | None) -> Game:
    """Return the game that `text` means. Raises Refused where that is none, or more than one."""
    if text is not None and is_uuid(text.lower()):
        return await galaxy.lobby.game(text.lower())
    mine = (await galaxy.lobby.games(mine=True, page_size=200)).items
    if text is None:
        unfinished = [game for game in mine if game.state not in _OVER]
        return _only(unfinished, "games of yours that are not over", "name the one: galaxy games shows them")
    found = _matching(mine, text) or _matching((await galaxy.lobby.games(page_size=200)).items, text)
    return _only(found, f"games called '{text}'", "galaxy games shows names and ids")


async def find_application(galaxy: Galaxy, game_id: str, text: str) -> Application:
    """Return the open application that `text` means: an id, the end of one, a race or a player."""
    wanted = text.casefold()
    found = [
        each
        for each in (await galaxy.lobby.applications(game_id)).items
        if each.application_id.endswith(wanted)
        or each.race_name.casefold() == wanted
        or (each.user is not None and each.user.display_name.casefold() == wanted)
    ]
    if len(found) != 1:
        many = "no application" if not found else f"{len(found)} applications"
        raise Refused("choice.unclear", f"There is {many} by '{text}': galaxy applications shows them.")
    return found[0]


def _matching(games: list[Game], text: str) -> list[Game]:
    wanted = text.casefold()
    return [game for game in games if game.name.casefold() == wanted] or [
        game for game in games if len(wanted) >= 4 and game.game_id.endswith(wanted)
    ]


def _only(games: list[Game], what: str, remedy: str) -> Game:
    if len(games) == 1:
        return games[0]
    number = "are no" if not games else f"are {len(games)}"
    raise Refused("choice.unclear", f"There {number} {what}; {remedy}.")
