"""`turns`, `report`, `map`: what has happened, and what one knows of the galaxy."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from client.calls.model import Game, Report
from client.command import tables
from client.command.choosing import find_game
from client.command.shell import GameArgument, JsonOption, ProfileOption, Shell, quoted
from client.errors import Refused
from client.keys import DEFAULT_PROFILE
from client.sdk import Galaxy

TurnOption = Annotated[
    int | None,
    typer.Option("--turn", "-t", min=0, help="Which turn; the latest by default.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this page."""
    for name, command in (
        ("turns", turns),
        ("report", report),
        ("map", draw_map),
    ):
        app.command(name, rich_help_panel="Play")(command)


def turns(
    which: GameArgument = None, profile: ProfileOption = DEFAULT_PROFILE, as_json: JsonOption = False
) -> None:
    """List the turns of a game.

    Example: galaxy turns Sol
    """
    shell = Shell(profile, as_json=as_json)

    async def use(galaxy: Galaxy) -> None:
        page = await galaxy.play.turns((await find_game(galaxy, which)).game_id)
        if not page.items and not as_json:
            shell.say("No turns yet: the game has not started.")
            return
        shell.show(page, lambda: tables.turns(page.items, shell.out.width))

    shell.run(use)


def report(
    which: GameArgument = None,
    turn: TurnOption = None,
    profile: ProfileOption = DEFAULT_PROFILE,
    as_json: JsonOption = False,
) -> None:
    """Print your report on the latest turn, as text or (--json) for programs.

    Example: galaxy report Sol | less
    Example: galaxy report Sol --turn 4 --json | jq '.planets[].name'
    """
    shell = Shell(profile, as_json=as_json)

    async def use(galaxy: Galaxy) -> None:
        game = await find_game(galaxy, which)
        found = await _report(shell, galaxy, game, turn, "json" if as_json else "text")
        if as_json:
            shell.print_json(found.report)
        else:
            sys.stdout.write(_titled(game, str(found.report)).rstrip("\n") + "\n")

    shell.run(use)


def draw_map(
    which: GameArgument = None,
    turn: TurnOption = None,
    png: Annotated[Path | None, typer.Option("--png", help="Also paint a picture into this file.")] = None,
    source: Annotated[
        Path | None, typer.Option("--report", help="Draw from a saved JSON report instead; needs no sign-in.")
    ] = None,
    profile: ProfileOption = DEFAULT_PROFILE,
) -> None:
    """Draw what you know of the galaxy after the latest turn.

    Example: galaxy map Sol --png sol.png
    """
    shell = Shell(profile)

    async def fetch(galaxy: Galaxy) -> tuple[str, dict[str, Any]]:
        game = await find_game(galaxy, which)
        found = await _report(shell, galaxy, game, turn, "json")
        if not isinstance(found.report, dict):
            raise Refused("report.unreadable", "The platform gave no JSON report.")
        return game.name, found.report

    if source is not None:
        name, found = source.stem, _read_report(source)
    else:
        name, found = shell.run(fetch)

    from client.chart import draw_picture, draw_text, read_chart

    try:
        chart = read_chart(found)
    except (KeyError, TypeError) as error:
        raise Refused("report.unreadable", f"The report cannot be drawn: {error} is missing.") from error
    shell.out.print(draw_text(chart, min(100, shell.out.width)))
    if png is not None:
        try:
            draw_picture(chart, name).save(png)
        except (OSError, ValueError) as error:
            raise typer.BadParameter(f"{png} cannot be written: {error}", param_hint="--png") from error
        shell.say(f"Painted {png}.")


async def _report(
    shell: Shell, galaxy: Galaxy, game: Game, turn: int | None, form: Literal["json", "text"]
) -> Report:
    """Fetch a report, the latest by default; where there is none, the refusal names what shows which there are."""
    try:
        return await galaxy.play.report(game.game_id, _latest(game) if turn is None else turn, form)
    except Refused as error:
        if error.code == "play.report_not_found":
            error.add_note(f"Which turns there are: `{shell.hint(f'turns {quoted(game.name)}')}`.")
        raise


def _titled(game: Game, text: str) -> str:
    """Put the game's name over a report: the engine that wrote it knows the id alone."""
    first, newline, rest = text.partition("\n")
    return f"Galaxy {game.name}{newline}{rest}" if first == f"Galaxy {game.game_id}" else text


def _latest(game: Game) -> int:
    if game.current_turn is None:
        when = "is starting just now" if game.state == "starting" else "has not started"
        raise Refused("game.not_started", f"{game.name} {when}: there is no report yet.")
    return game.current_turn


def _read_report(source: Path) -> dict[str, Any]:
    try:
        found = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{source} cannot be read: {error}", param_hint="--report") from error
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{source} holds no report", param_hint="--report")
    return found
