"""`games`, `game`, `create`, `join` and their like: games before and around play."""

import asyncio
import time
from typing import Annotated, Any, Literal

import typer

from client.calls.lobby import cron, rolling
from client.calls.model import Game
from client.command import tables
from client.command.choosing import find_application, find_game, find_invite
from client.command.shell import GameArgument, JsonOption, ProfileOption, Shell, quoted
from client.errors import Refused
from client.keys import DEFAULT_PROFILE
from client.sdk import Galaxy
from client.time_zone import local_time_zone
from kit.duration import parse_duration

_START_SECONDS = 60.0
_LOOK_AGAIN_SECONDS = 0.25

RaceOption = Annotated[str, typer.Option("--race", "-r", help="The name of your race in this game.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this page."""
    panel = "Lobby"
    for name, command in (
        ("games", games),
        ("game", game),
        ("create", create),
        ("open", open_game),
        ("join", join),
        ("applications", applications),
        ("approve", approve),
        ("reject", reject),
        ("invite", invite),
        ("invites", invites),
        ("accept", accept),
        ("decline", decline),
        ("leave", leave),
        ("start", start),
        ("pause", pause),
        ("resume", resume),
        ("cancel", cancel),
    ):
        app.command(name, rich_help_panel=panel)(command)


def games(
    mine: Annotated[bool, typer.Option("--mine", "-m", help="Only games that you own or play.")] = False,
    state: Annotated[
        Literal[
            "draft",
            "enrollment_open",
            "ready_to_start",
            "starting",
            "start_failed",
            "running",
            "paused",
            "finished",
            "cancelled",
        ]
        | None,
        typer.Option(metavar="STATE", help="Only games in this state; those to join are enrollment_open."),
    ] = None,
    page: Annotated[int, typer.Option(min=1, help="Which page.")] = 1,
    profile: ProfileOption = DEFAULT_PROFILE,
    as_json: JsonOption = False,
) -> None:
    """List games that you may see.

    Example: galaxy games --state enrollment_open
    """
    shell = Shell(profile, as_json=as_json)
    found = shell.run(lambda galaxy: galaxy.lobby.games(mine=mine or None, state=state, page=page))
    if not found.items and not as_json:
        asked_for_all = not mine and state is None and page == 1
        shell.say("No games yet." if asked_for_all else "No games like that.")
        shell.say(f"Make one: {shell.hint('create Sol --race Terrans --open')}")
        return
    shell.show(found, lambda: tables.games(found.items, shell.out.width))
    if found.total > found.page * found.page_size > 0:
        shell.say(
            f"Page {found.page} of {-(-found.total // found.page_size)}: --page {found.page + 1} shows more."
        )


def game(
    which: GameArgument = None, profile: ProfileOption = DEFAULT_PROFILE, as_json: JsonOption = False
) -> None:
    """Show one game and who plays it.

    Example: galaxy game Sol
    """
    shell = Shell(profile, as_json=as_json)
    found = shell.run(lambda galaxy: find_game(galaxy, which, to_join=True))
    shell.show(found, lambda: tables.game(found))


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call the game.")],
    race: RaceOption,
    players: Annotated[int, typer.Option(min=1, help="How many players it needs at least.")] = 2,
    most: Annotated[int | None, typer.Option("--max", min=1, help="How many it takes at most.")] = None,
    every: Annotated[
        str, typer.Option(help="A turn falls so long after the last one: 24h, 30m, 2d.")
    ] = "24h",
    at: Annotated[
        str | None, typer.Option("--cron", help="Or: a turn falls by this cron line, such as '0 18 * * *'.")
    ] = None,
    time_zone: Annotated[
        str | None, typer.Option(help="Time zone of the cron line; yours by default.")
    ] = None,
    early: Annotated[bool, typer.Option(help="A turn falls at once when all are final.")] = True,
    private: Annotated[
        bool, typer.Option("--private", help="Only whom you invite may see and join it.")
    ] = False,
    bots: Annotated[int, typer.Option(min=0, help="Seats for computer races.")] = 0,
    open_now: Annotated[bool, typer.Option("--open", help="Let players apply at once.")] = False,
    profile: ProfileOption = DEFAULT_PROFILE,
    as_json: JsonOption = False,
) -> None:
    """Create a game; you play in it.

    Example: galaxy create Sol --race Terrans --players 2 --every 12h --open
    """
    shell = Shell(profile, as_json=as_json)
    try:
        period = parse_duration(every)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--every") from error
    settings: dict[str, Any] = {
        "min_players": players,
        "max_players": most,
        "schedule": cron(at, time_zone or local_time_zone())
        if at
        else rolling(round(period.total_seconds())),
        "early_turn": early,
        "visibility": "invite" if private else "public",
        "bots": bots,
    }

    async def use(galaxy: Galaxy) -> Game:
        made = await galaxy.lobby.create(name, race, **settings)
        return await galaxy.lobby.open(made.game_id) if open_now else made

    made = shell.run(use)
    shell.show(made, lambda: tables.game(made))
    if open_now:
        shell.say(f"Others may apply now: galaxy join {quoted(name)} --race THEIRS")
        shell.say(f"Who has, and whom you take: {shell.hint(f'applications {quoted(name)}')}")
    else:
        shell.say(f"A draft as yet. To let players apply: {shell.hint(f'open {quoted(name)}')}")


def open_game(
    which: GameArgument = None, profile: ProfileOption = DEFAULT_PROFILE, as_json: JsonOption = False
) -> None:
    """Let players apply for a game of yours.

    Example: galaxy open Sol
    """
    _act("open", which, profile, as_json)


def start(
    which: GameArgument = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the engine is up.")] = True,
    profile: ProfileOption = DEFAULT_PROFILE,
    as_json: JsonOption = False,
) -> None:
    """Start a game of yours: its engine comes up and turn 0 is dealt.

    Example: galaxy start Sol
    """
    shell = Shell(profile, as_json=as_json)

    async def use(galaxy: Galaxy) -> Game:
        found = await find_game(galaxy, which)
        if found.state == "draft":
            remedy = shell.hint(f"open {quoted(found.name)}")
            raise Refused(
                "game.not_open", f"{found.name} is a draft as yet; let players apply first: {remedy}"
            )
        started = await galaxy.lobby.start(found.game_id)
        return await _until_up(galaxy, started) if wait else started

    started = shell.run(use)
    shell.show(started, lambda: tables.game(started))
    if started.state == "running":
        shell.say(f"Your first report: {shell.hint(f'report {quoted(started.name)}')}")


async def _until_up(galaxy: Galaxy, game: Game) -> Game:
    """Return the game once its engine is up, or as it stands after a while. Raises Refused where the start failed."""
    give_up_at = time.monotonic() + _START_SECONDS
    while game.state == "starting" and time.monotonic() < give_up_at:
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        game = await galaxy.lobby.game(game.game_id)
    if game.state == "start_failed":
        why = game.runtime.detail if game.runtime and game.runtime.detail else "its engine did not come up"
        raise Refused("game.start_failed", f"{game.name} could not be started: {why}")
    return game


def pause(
    which: GameArgument = None, profile: ProfileOption = DEFAULT_PROFILE, as_json: JsonOption = False
) -> None:
    """Stop the clock of a game of yours.

    Example: galaxy pause Sol
    """
    _act("pause", which, profile, as_json)


def resume(
    which: GameArgument = None, profile: ProfileOption = DEFAULT_PROFILE, as_json: JsonOption = False
) -> None:
    """Let a paused game of yours go on.

    Example: galaxy resume Sol
    """
    _act("resume", which, profile, as_json)


def cancel(
    which: GameArgument = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    profile: ProfileOption = DEFAULT_PROFILE,
    as_json: JsonOption = False,
) -> None:
    """Give up a game of yours that does not run yet.

    Example: galaxy cancel Sol --yes
    """
    if not yes:
        Shell.confirm(f"Cancel {which or 'your game'} for good?")
    _act("cancel", which, profile, as_json)


def join(
    which: Annotated[str, typer.Argument(metavar="GAME", help="The game's name, id, or the end of its id.")],
    race: RaceOption,
    profile: ProfileOption = DEFAULT_PROFILE,
    as_json: JsonOption = False,
) -> None:
    """Apply to play in a game; its owner decides.

    Example: galaxy join Sol --race Vegans
    """
    shell = Shell(profile, as_json=as_json)

    async def use(galaxy: Galaxy) -> None:
        found = await find_game(galaxy, which, to_join=True)
        sent = await galaxy.lobby.apply(found.game_id, race)
        shell.show(sent, lambda: f"Applied for {found.name} as {race}; {found.owner.display_name} decides.")

    shell.run(use)


def applications(
    which: GameArgument = None, profile: ProfileOption = DEFAULT_PROFILE, as_json: JsonOption = False
) -> None:
    """Show who asks to play in a game of yours.

    Example: galaxy applications Sol
    """
    shell = Shell(profile, as_json=as_json)

    async def use(galaxy: Galaxy) -> None:
        page = await galaxy.lobby.applications((await find_game(galaxy, which)).game_id)
        if not page.items and not as_json:
            shell.say("Nobody has applied.")
            return
        shell.show(page, lambda: tables.applications(page.items))

    shell.run(use)


_Who = Annotated[str, typer.Argument(metavar="WHO", help="The applicant's race, name, or application id.")]
_InGame = Annotated[
    str | None,
    typer.Option("--game", "-g", envvar="GALAXY_GAME", help="Which game; your only one by default."),
]


def approve(
    who: _Who, which: _InGame = None, profile: ProfileOption = DEFAULT_PROFILE, as_json: JsonOption = False
) -> None:
    """Let an applicant play.

    Example: galaxy approve Vegans --game Sol
    """
    _decide("approve", who, which, profile, as_json)


def reject(
    who: _Who, which: _InGame = None, profile: ProfileOption = DEFAULT_PROFILE, as_json: JsonOption = False
) -> None:
    """Turn an applicant away.

    Example: galaxy reject Vegans --game Sol
    """
    _decide("reject", who, which, profile, as_json)


def invite(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The address of whom to invite.")],
    which: _InGame = None,
    profile: ProfileOption = DEFAULT_PROFILE,
    as_json: JsonOption = False,
) -> None:
    """Invite somebody to a game of yours.

    Example: galaxy invite bob@example.org --game Sol
    """
    shell = Shell(profile, as_json=as_json)

    async def use(galaxy: Galaxy) -> None:
        found = await find_game(galaxy, which)
        sent = await galaxy.lobby.invite(found.game_id, email)
        shell.show(sent, lambda: f"Invited {email} to {found.name}.")

    shell.run(use)


def invites(profile: ProfileOption = DEFAULT_PROFILE, as_json: JsonOption = False) -> None:
    """Show the invitations sent to you.

    Example: galaxy invites
    """
    shell = Shell(profile, as_json=as_json)
    page = shell.run(lambda galaxy: galaxy.lobby.invites())
    if not page.items and not as_json:
        shell.say("No invitations.")
        return
    shell.show(page, lambda: tables.invites(page.items))


_Invite = Annotated[
    str, typer.Argument(metavar="INVITE", help="The game's name, or the end of the invitation's id.")
]


def accept(
    invite_id: _Invite,
    race: RaceOption,
    profile: ProfileOption = DEFAULT_PROFILE,
    as_json: JsonOption = False,
) -> None:
    """Join a game by an invitation.

    Example: galaxy accept Sol --race Vegans
    """
    shell = Shell(profile, as_json=as_json)

    async def use(galaxy: Galaxy) -> None:
        found = await find_invite(galaxy, invite_id)
        joined = await galaxy.lobby.accept_invite(found.invite_id, race)
        shell.show(joined, lambda: f"You play in {found.game_name} as {race}.")

    shell.run(use)


def decline(
    invite_id: _Invite, profile: ProfileOption = DEFAULT_PROFILE, as_json: JsonOption = False
) -> None:
    """Turn an invitation down.

    Example: galaxy decline Sol
    """
    shell = Shell(profile, as_json=as_json)

    async def use(galaxy: Galaxy) -> None:
        found = await find_invite(galaxy, invite_id)
        declined = await galaxy.lobby.decline_invite(found.invite_id)
        shell.show(declined, lambda: f"Declined: you do not play in {found.game_name}.")

    shell.run(use)


def leave(
    which: GameArgument = None, profile: ProfileOption = DEFAULT_PROFILE, as_json: JsonOption = False
) -> None:
    """Leave a game before it starts.

    Example: galaxy leave Sol
    """
    shell = Shell(profile, as_json=as_json)

    async def use(galaxy: Galaxy) -> None:
        found = await find_game(galaxy, which)
        left = await galaxy.lobby.leave(found.game_id)
        shell.show(left, lambda: f"You have left {found.name}.")

    shell.run(use)


def _act(name: str, which: str | None, profile: str, as_json: bool) -> None:
    shell = Shell(profile, as_json=as_json)

    async def use(galaxy: Galaxy) -> Game:
        found = await find_game(galaxy, which)
        lobby = galaxy.lobby
        acts = {
            "open": lobby.open,
            "pause": lobby.pause,
            "resume": lobby.resume,
            "cancel": lobby.cancel,
        }
        return await acts[name](found.game_id)

    found = shell.run(use)
    shell.show(found, lambda: tables.game(found))


def _decide(name: str, who: str, which: str | None, profile: str, as_json: bool) -> None:
    shell = Shell(profile, as_json=as_json)

    async def use(galaxy: Galaxy) -> None:
        found = await find_game(galaxy, which)
        application = await find_application(galaxy, found.game_id, who)
        decide = galaxy.lobby.approve if name == "approve" else galaxy.lobby.reject
        decided = await decide(found.game_id, application.application_id)
        word = "plays in" if name == "approve" else "does not play in"
        shell.show(decided, lambda: f"{application.race_name} {word} {found.name}.")

    shell.run(use)
