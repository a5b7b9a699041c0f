"""Finds what a person means: a game by name or by the end of its id, an applicant by name."""

from collections.abc import Callable

from client.calls.model import Application, Game, Invite
from client.command.tables import short
from client.errors import Refused
from client.sdk import Galaxy
from kit.ids import is_uuid

_OVER = {"finished", "cancelled"}
_UNDECIDED = {"", "open", "pending"}
_PAGE = 200


async def find_game(galaxy: Galaxy, text: str | None, *, to_join: bool = False) -> Game:
    """Return the game that `text` means. Raises Refused where that is none, or more than one.

    Names are not unique, and a cancelled game keeps its own: of games called alike the player's living ones are meant first,
    then those he may still read, then living ones of others (`to_join`: before his finished ones), and given-up ones last.
    """
    if text is not None and is_uuid(text.lower()):
        return await galaxy.lobby.game(text.lower())
    mine = await _all_games(galaxy, mine=True)
    if text is None:
        return _only(
            [game for game in mine if game.state not in _OVER],
            none="You play no game that is not over; galaxy games shows which there are.",
            many="You play several games; say which, by name or id",
        )
    living = _matching(_in_state(mine, lambda state: state not in _OVER), text)
    if living:
        return _only(living, none="", many=_several(text))
    known = {game.game_id for game in mine}
    others = [game for game in await _all_games(galaxy) if game.game_id not in known]
    ranked = [
        _in_state(mine, lambda state: state == "finished"),
        _in_state(others, lambda state: state not in _OVER),
        _in_state(others, lambda state: state == "finished"),
        _in_state(mine, lambda state: state == "cancelled"),
        _in_state(others, lambda state: state == "cancelled"),
    ]
    if to_join:
        ranked[0], ranked[1] = ranked[1], ranked[0]
    found = next((matching for games in ranked if (matching := _matching(games, text))), [])
    return _only(
        found,
        none=f"There is no game called '{text}'; galaxy games shows names and ids.",
        many=_several(text),
    )


async def find_application(galaxy: Galaxy, game_id: str, text: str) -> Application:
    """Return the open application that `text` means: an id, the end of one, a race or a player."""
    wanted = text.casefold()
    found = [
        each
        for each in (await galaxy.lobby.applications(game_id)).items
        if each.application_id == wanted
        or (
            each.status in _UNDECIDED
            and (
                (len(wanted) >= 4 and each.application_id.endswith(wanted))
                or each.race_name.casefold() == wanted
                or (each.user is not None and each.user.display_name.casefold() == wanted)
            )
        )
    ]
    if len(found) != 1:
        many = "no open application" if not found else f"{len(found)} open applications"
        raise Refused("choice.unclear", f"There is {many} by '{text}': galaxy applications shows them.")
    return found[0]


async def find_invite(galaxy: Galaxy, text: str) -> Invite:
    """Return the open invitation that `text` means: an id, the end of one, or the game's name."""
    wanted = text.casefold()
    found = [
        each
        for each in (await galaxy.lobby.invites()).items
        if each.invite_id == wanted
        or (
            each.status in _UNDECIDED
            and (
                each.game_name.casefold() == wanted or (len(wanted) >= 4 and each.invite_id.endswith(wanted))
            )
        )
    ]
    if len(found) != 1:
        many = "no open invitation" if not found else f"{len(found)} open invitations"
        raise Refused("choice.unclear", f"There is {many} called '{text}': galaxy invites shows them.")
    return found[0]


async def _all_games(galaxy: Galaxy, *, mine: bool | None = None) -> list[Game]:
    found: dict[str, Game] = {}
    number = 1
    while True:
        page = await galaxy.lobby.games(mine=mine, page=number, page_size=_PAGE)
        found |= {game.game_id: game for game in page.items}
        if not page.items or number * page.page_size >= page.total:
            return list(found.values())
        number += 1


def _in_state(games: list[Game], wanted: Callable[[str], bool]) -> list[Game]:
    return [game for game in games if wanted(game.state)]


def _matching(games: list[Game], text: str) -> list[Game]:
    wanted = text.casefold()
    return [game for game in games if game.name.casefold() == wanted] or [
        game for game in games if len(wanted) >= 4 and game.game_id.endswith(wanted)
    ]


def _several(text: str) -> str:
    return f"Several games are called '{text}'; say which by the end of its id"


def _only(games: list[Game], *, none: str, many: str) -> Game:
    if len(games) == 1:
        return games[0]
    if not games:
        raise Refused("choice.unclear", none)
    rows = [
        f"\n  {short(game.game_id)}  {game.name}, {game.state.replace('_', ' ')}, of {game.owner.display_name}"
        for game in games
    ]
    raise Refused("choice.unclear", f"{many}:{''.join(rows)}", details={"games": [g.game_id for g in games]})
