"""`orders`, `final`, `turns`, `report`, `map`: play itself."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from client.calls.model import Game
from client.calls.play import order_list, order_text
from client.command import tables
from client.command.choosing import find_game
from client.command.editor import edited
from client.command.exits import ExitCode
from client.command.shell import GameArgument, JsonOption, ProfileOption, Shell
from client.errors import Refused
from client.keys import DEFAULT_PROFILE
from client.sdk import Galaxy

TurnOption = Annotated[
    int | None, typer.Option("--turn", "-t", min=0, help="Which turn; see above for the default.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this page."""
    for name, command in (
        ("orders", orders),
        ("final", final),
        ("turns", turns),
        ("report", report),
        ("map", draw_map),
    ):
        app.command(name, rich_help_panel="Play")(command)


def orders(
    which: GameArgument = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="Read orders from a file; - is standard input.", allow_dash=True),
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="Give orders right here; ; parts lines.")] = None,
    edit: Annotated[
        bool, typer.Option("--edit", "-e", help="Edit the stored orders in your $EDITOR.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only ask what the engine thinks; store nothing.")
    ] = False,
    mark_final: Annotated[
        bool, typer.Option("--final", help="Mark the orders final after storing them.")
    ] = False,
    turn: TurnOption = None,
    profile: ProfileOption = DEFAULT_PROFILE,
    as_json: JsonOption = False,
) -> None:
    """Show, check or give orders for the coming turn (or --turn).

    Without a source the stored orders are shown; orders in a pipe are taken as they come. One order a line, or a JSON list.
    Orders given replace the stored ones. With --check, a wrong order gives exit code 1.

    Example: galaxy orders Sol --file turn5.txt --final
    Example: echo "P Terra DRIVE" | galaxy orders Sol --check
    """
    if sum((file is not None, text is not None, edit)) > 1:
        raise typer.BadParameter("--file, --text and --edit exclude each other")
    shell = Shell(profile, as_json=as_json)
    offered = None if edit else _offered(file, text)

    async def use(galaxy: Galaxy) -> None:
        game = await find_game(galaxy, which)
        coming = (game.current_turn or 0) + 1 if turn is None else turn
        given = offered
        if edit:
            stored_text = _as_text((await galaxy.play.orders(game.game_id, coming)).orders)
            given = await asyncio.to_thread(edited, stored_text)
            if given is None:
                shell.say("Nothing was changed.")
                return
        if given is None:
            await _show(shell, galaxy, game, coming)
            return
        parsed = _parsed(given)
        if check:
            looked = await galaxy.play.check_orders(game.game_id, coming, parsed)
            verdict = looked.check if looked.check is not None else looked.model_dump()
            _print_check(shell, looked, verdict, given)
            if verdict.get("rejected"):
                raise typer.Exit(ExitCode.REFUSED)
            return
        stored = await galaxy.play.put_orders(game.game_id, coming, parsed)
        if mark_final:
            await galaxy.play.finalize(game.game_id, coming)
        _print_check(shell, stored, stored.check, given)
        ending = " and final" if mark_final else "; galaxy final says that they stand"
        shell.say(f"Stored for turn {coming} of {game.name}{ending}.")

    shell.run(use)


def final(
    which: GameArgument = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the mark back.")] = False,
    turn: TurnOption = None,
    profile: ProfileOption = DEFAULT_PROFILE,
    as_json: JsonOption = False,
) -> None:
    """Say that your orders for the coming turn stand; when all have said so, the turn falls early.

    Example: galaxy final Sol
    """
    shell = Shell(profile, as_json=as_json)

    async def use(galaxy: Galaxy) -> None:
        game = await find_game(galaxy, which)
        coming = (game.current_turn or 0) + 1 if turn is None else turn
        answer = await galaxy.play.finalize(game.game_id, coming, final=not undo)
        words = "are open again" if undo else "are final"
        shell.show(answer, lambda: f"Your orders for turn {coming} of {game.name} {words}.")

    shell.run(use)


def turns(
    which: GameArgument = None, profile: ProfileOption = DEFAULT_PROFILE, as_json: JsonOption = False
) -> None:
    """List the turns of a game.

    Example: galaxy turns Sol
    """
    shell = Shell(profile, as_json=as_json)

    async def use(galaxy: Galaxy) -> None:
        page = await galaxy.play.turns((await find_game(galaxy, which)).game_id)
        shell.show(page, lambda: tables.turns(page.items))

    shell.run(use)


def report(
    which: GameArgument = None,
    turn: TurnOption = None,
    profile: ProfileOption = DEFAULT_PROFILE,
    as_json: JsonOption = False,
) -> None:
    """Print your report on the latest turn (or --turn): text, or with --json the machine's form.

    Example: galaxy report Sol | less
    Example: galaxy report Sol --turn 4 --json | jq '.planets[].name'
    """
    shell = Shell(profile, as_json=as_json)

    async def use(galaxy: Galaxy) -> None:
        game = await find_game(galaxy, which)
        found = await galaxy.play.report(
            game.game_id, _latest(game) if turn is None else turn, "json" if as_json else "text"
        )
        if as_json:
            shell.print_json(found.report)
        else:
            sys.stdout.write(str(found.report).rstrip("\n") + "\n")

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
    """Draw what you know of the galaxy after the latest turn (or --turn).

    Example: galaxy map Sol --png sol.png
    """
    shell = Shell(profile)

    async def fetch(galaxy: Galaxy) -> tuple[str, dict[str, Any]]:
        game = await find_game(galaxy, which)
        found = await galaxy.play.report(game.game_id, _latest(game) if turn is None else turn)
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


def _latest(game: Game) -> int:
    if game.current_turn is None:
        raise Refused("game.not_started", f"{game.name} has not started: there is no report yet.")
    return game.current_turn


def _offered(file: Path | None, text: str | None) -> str | None:
    """Return the orders that came on the command line, from a file or through a pipe; None: none."""
    if text is not None:
        return "\n".join(part.strip() for part in text.split(";"))
    if file is not None and str(file) != "-":
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise typer.BadParameter(f"{file} cannot be read: {error}", param_hint="--file") from error
    if file is None and sys.stdin.isatty():
        return None
    read = sys.stdin.read()
    # Started without a terminal and with nothing in the pipe (cron, a script): that is a question, not an order.
    return read if file is not None or read.strip() else None


def _read_report(source: Path) -> dict[str, Any]:
    try:
        found = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{source} cannot be read: {error}", param_hint="--report") from error
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{source} holds no report", param_hint="--report")
    return found


def _parsed(given: str) -> dict[str, Any]:
    if given.lstrip().startswith("["):
        try:
            return order_list(json.loads(given))
        except ValueError as error:
            raise typer.BadParameter(f"The orders look like JSON but are none: {error}") from error
    return order_text(given)


def _as_text(stored: dict[str, Any] | None) -> str:
    if not stored:
        return ""
    if stored.get("format") == "json":
        return json.dumps(stored.get("orders", []), ensure_ascii=False, indent=1)
    return str(stored.get("text", ""))


async def _show(shell: Shell, galaxy: Galaxy, game: Game, turn: int) -> None:
    stored = await galaxy.play.orders(game.game_id, turn)
    text = _as_text(stored.orders).rstrip("\n")
    shell.show(
        stored, lambda: Text(text) if text else Text(f"No orders for turn {turn} yet.", style="bright_black")
    )
    if text:
        shell.say(f"Orders for turn {turn} of {game.name}, {'final' if stored.final else 'not final'}.")


def _print_check(shell: Shell, whole: Any, check: dict[str, Any] | None, given: str) -> None:
    if shell.as_json:
        shell.print_json(whole)
        return
    shell.out.print(tables.verdicts(check, given))
    coming = tables.forecast(check)
    if coming is not None:
        shell.out.print()
        shell.out.print(coming)
