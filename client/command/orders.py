"""`orders`, `final`: what a player wants of the coming turn, and that he is done."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from client.calls.model import Game, Nothing
from client.calls.play import order_list, order_text
from client.command import tables
from client.command.choosing import find_game
from client.command.editor import edited
from client.command.exits import ExitCode
from client.command.shell import GameArgument, JsonOption, ProfileOption, Shell, quoted
from client.errors import Refused
from client.keys import DEFAULT_PROFILE
from client.sdk import Galaxy

_Check = dict[str, Any]

TurnOption = Annotated[
    int | None,
    typer.Option("--turn", "-t", min=0, help="Which turn; the coming one by default.", show_default=False),
]
YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Do not ask when orders marked final would have no effect.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this page."""
    app.command("orders", rich_help_panel="Play")(orders)
    app.command("final", rich_help_panel="Play")(final)


def orders(
    which: GameArgument = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="Read orders from a file; - is standard input.", allow_dash=True),
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", help="Give orders right here, with ; between them.")
    ] = None,
    edit: Annotated[
        bool, typer.Option("--edit", "-e", help="Edit the stored orders in your $EDITOR.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only ask what the engine thinks; store nothing.")
    ] = False,
    mark_final: Annotated[bool, typer.Option("--final", help="Mark the orders final, too.")] = False,
    yes: YesOption = False,
    turn: TurnOption = None,
    profile: ProfileOption = DEFAULT_PROFILE,
    as_json: JsonOption = False,
) -> None:
    """Show, check or give orders for the coming turn.

    Without --file, --text, --edit or a pipe the stored orders are meant: shown, checked (--check) or marked final (--final).
    One order a line, or a JSON list. Orders given replace the stored ones. With --check, a wrong order gives exit code 1.

    Example: galaxy orders Sol --file turn5.txt --final
    Example: echo "P Terra DRIVE" | galaxy orders Sol --check
    """
    if sum((file is not None, text is not None, edit)) > 1:
        raise typer.BadParameter("--file, --text and --edit exclude each other")
    if check and mark_final:
        raise typer.BadParameter("--check stores nothing, so --final cannot go with it")
    shell = Shell(profile, as_json=as_json)
    offered = None if edit else _offered(file, text)

    async def use(galaxy: Galaxy) -> None:
        game = await find_game(galaxy, which)
        coming = _coming(game, turn)
        given = offered
        if edit:
            given = edited(_as_text((await galaxy.play.orders(game.game_id, coming)).orders))
            if given is None:
                shell.say("Nothing was changed.")
                return
        if check:
            await _only_check(shell, galaxy, game, coming, given)
        elif given is not None:
            await _store(shell, galaxy, game, coming, _parsed(given), mark_final=mark_final, yes=yes)
        elif mark_final:
            await _finalize_stored(shell, galaxy, game, coming, yes=yes)
        else:
            await _show(shell, galaxy, game, coming)

    shell.run(use)


def final(
    which: GameArgument = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take the mark back.")] = False,
    yes: YesOption = False,
    turn: TurnOption = None,
    profile: ProfileOption = DEFAULT_PROFILE,
    as_json: JsonOption = False,
) -> None:
    """Say that your orders for the coming turn stand.

    When all players have said so, the turn falls early. The orders are checked first: you hear of those that would have no
    effect, and are asked.

    Example: galaxy final Sol
    """
    shell = Shell(profile, as_json=as_json)

    async def use(galaxy: Galaxy) -> None:
        game = await find_game(galaxy, which)
        coming = _coming(game, turn)
        if undo:
            answer = await galaxy.play.finalize(game.game_id, coming, final=False)
            shell.show(answer, lambda: f"Your orders for turn {coming} of {game.name} are open again.")
        else:
            await _finalize_stored(shell, galaxy, game, coming, yes=yes)

    shell.run(use)


def _coming(game: Game, turn: int | None) -> int:
    if game.current_turn is None:
        raise Refused(
            "game.not_started", f"{game.name} has not started: there is no turn to give orders for."
        )
    return game.current_turn + 1 if turn is None else turn


async def _only_check(shell: Shell, galaxy: Galaxy, game: Game, turn: int, given: str | None) -> None:
    if given is None:
        parsed = (await galaxy.play.orders(game.game_id, turn)).orders
        if not parsed:
            shell.say(f"No orders for turn {turn} of {game.name} yet: there is nothing to check.")
            return
    else:
        parsed = _parsed(given)
    looked = await galaxy.play.check_orders(game.game_id, turn, parsed)
    verdict = looked.check if looked.check is not None else looked.model_dump()
    _print_check(shell, looked, verdict, parsed)
    if verdict.get("rejected"):
        raise typer.Exit(ExitCode.REFUSED)


async def _store(
    shell: Shell,
    galaxy: Galaxy,
    game: Game,
    turn: int,
    parsed: dict[str, Any],
    *,
    mark_final: bool,
    yes: bool,
) -> None:
    stored = await galaxy.play.put_orders(game.game_id, turn, parsed)
    _print_check(shell, stored, stored.check, parsed)
    where = f"turn {turn} of {game.name}"
    if not mark_final:
        shell.say(f"Stored for {where}. When you are done: {shell.hint(f'final {quoted(game.name)}')}")
        return
    _agree(
        shell, stored.check, "Mark them final all the same?", yes, otherwise=f"Stored for {where}, not final."
    )
    await galaxy.play.finalize(game.game_id, turn)
    shell.say(f"Stored for {where} and final.")


async def _finalize_stored(shell: Shell, galaxy: Galaxy, game: Game, turn: int, *, yes: bool) -> None:
    stored = await galaxy.play.orders(game.game_id, turn)
    where = f"turn {turn} of {game.name}"
    check: _Check | None = None
    if not stored.orders:
        shell.say(f"You gave no orders for {where}: your race goes on as it is.")
    else:
        check = await _asked_anew(shell, galaxy, game, turn, stored.orders)
        if _not_as_written(check):
            shell.explain(tables.verdicts(check, _order_lines(stored.orders), only_wrong=True))
        _agree(
            shell,
            check,
            f"Mark your orders for {where} final all the same?",
            yes,
            otherwise="Not marked final.",
        )
    answer: Nothing = await galaxy.play.finalize(game.game_id, turn)
    shell.show(
        {**answer.model_dump(mode="json"), "check": check},
        lambda: f"Your orders for {where} are final.",
    )


async def _asked_anew(
    shell: Shell, galaxy: Galaxy, game: Game, turn: int, parsed: dict[str, Any]
) -> _Check | None:
    """Return the engine's verdicts on stored orders, or None, after saying so, where it cannot be asked."""
    try:
        return (await galaxy.play.check_orders(game.game_id, turn, parsed)).check
    except Refused as refused:
        if refused.code not in {"play.engine_unavailable", "play.check_busy"}:
            raise
        shell.say("The engine could not be asked just now: the orders go unchecked.")
        return None


def _not_as_written(check: _Check | None) -> int:
    return sum(result.get("status") != "ok" for result in (check or {}).get("results", []))


def _agree(shell: Shell, check: _Check | None, question: str, yes: bool, *, otherwise: str) -> None:
    """Warn of orders without effect and have a person who is there agree; where he does not, `otherwise` is said."""
    if check is None or not _not_as_written(check):
        return
    shell.warn(f"Not every order is done as written: {tables.totals(check).plain}, see above.")
    with shell.person() as person:
        if person is None or yes or shell.as_json:
            return
        try:
            shell.confirm(question, person)
        except typer.Exit:
            shell.say(otherwise)
            raise


def _offered(file: Path | None, text: str | None) -> str | None:
    """Return the orders that came on the command line, from a file or through a pipe; None: none."""
    if text is not None:
        return "\n".join(part.strip() for part in text.split(";"))
    if file is not None and str(file) != "-":
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise typer.BadParameter(f"{file} cannot be read: {_why(error)}", param_hint="--file") from error
    if file is None and sys.stdin.isatty():
        return None
    read = sys.stdin.read()
    # Started without a terminal and with nothing in the pipe (cron, a script): that is a question, not an order.
    return read if file is not None or read.strip() else None


def _why(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is no UTF-8 text"


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


def _order_lines(parsed: dict[str, Any]) -> list[str]:
    """Return what the engine's line numbers count: lines of the text form, places of the JSON form."""
    if parsed.get("format") == "json":
        return [json.dumps(order, ensure_ascii=False) for order in parsed.get("orders", [])]
    return str(parsed.get("text", "")).splitlines()


async def _show(shell: Shell, galaxy: Galaxy, game: Game, turn: int) -> None:
    stored = await galaxy.play.orders(game.game_id, turn)
    text = _as_text(stored.orders).rstrip("\n")
    if not text and not shell.as_json:
        shell.say(
            f"No orders for turn {turn} of {game.name} yet{', but marked final' if stored.final else ''}."
        )
        return
    shell.show(stored, lambda: Text(text))
    shell.say(f"Orders for turn {turn} of {game.name}, {'final' if stored.final else 'not final'}.")


def _print_check(shell: Shell, whole: Any, check: _Check | None, parsed: dict[str, Any]) -> None:
    if shell.as_json:
        shell.print_json(whole)
        return
    shell.out.print(tables.verdicts(check, _order_lines(parsed)))
    coming = tables.forecast(check)
    if coming is not None:
        shell.out.print()
        shell.out.print(coming)
