"""Puts the commands together, and turns every expected error into one sentence and an exit code."""

import inspect
import re
import sys
from collections.abc import Sequence
from importlib.metadata import version as installed_version
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from client.command import account, lobby, mails, orders, play, sign_in, watch
from client.command.exits import exit_code_of
from client.command.leaving import leave
from client.errors import CannotReach, GalaxyError, GatewayKeyChanged, Refused

# Said by this program and not by the platform: a person can look them up nowhere.
_OWN_CODES = {"choice.unclear", "game.not_started", "game.start_failed", "report.unreadable"}

_HELP = """Play Galaxy from a terminal.

Begin: galaxy sign-in you@example.org, then galaxy games, and galaxy create or galaxy join.

A second player on this machine signs in with a profile of his own: galaxy sign-in friend@example.org --profile friend.

Exit codes: 0 done, 1 refused, 2 wrong usage, 3 not signed in, 4 cannot reach the platform, 5 an answer is not to be trusted.
Settings from the environment: GALAXY_PROFILE, GALAXY_GAME, GALAXY_HOME, GALAXY_GATEWAY, GALAXY_EDGE, NO_COLOR.
"""


def build() -> typer.Typer:
    """Return the whole command."""
    app = typer.Typer(
        name="galaxy",
        help=flowing(_HELP).replace(" Settings", "\n\nSettings"),
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode="rich",
    )
    app.callback()(_root)
    sign_in.register(app)
    account.register(app)
    mails.register(app)
    lobby.register(app)
    orders.register(app)
    play.register(app)
    watch.register(app)
    _flow_help(app)
    return app


def _flow_help(app: typer.Typer) -> None:
    """Let the paragraphs of help flow to the reader's width; docstrings are broken to ours."""
    for command in app.registered_commands:
        if command.callback is not None:
            command.help = flowing(inspect.getdoc(command.callback) or "")
    for group in app.registered_groups:
        if group.typer_instance is not None:
            _flow_help(group.typer_instance)


def flowing(text: str) -> str:
    """Return a text without the line breaks inside its paragraphs; each example keeps a line of its own."""
    return re.sub(r"(?<!\n)\n(?!\n|Example:)", " ", text)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command with the process's arguments, or the given ones, and exit as `exits` says.

    With the process's own arguments the process ends here (`leave`); with given ones SystemExit is raised.
    """
    code = _run(arguments)
    if arguments is None:
        leave(code)
    sys.exit(code)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        build()(args=None if arguments is None else list(arguments))
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except GalaxyError as error:
        _say(error, for_programs="--json" in (sys.argv[1:] if arguments is None else arguments))
        return exit_code_of(error)
    except BrokenPipeError:
        # The reader of our pipe has seen enough (head, less): no reason to complain.
        sys.stderr.close()
    return 0


def _say(error: GalaxyError, *, for_programs: bool) -> None:
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    text = _sentence(error)
    listed = "\n" in text
    if not listed and not text.endswith((".", "!", "?")):
        text += "."
    out = Text(text, style="bold red" if isinstance(error, GatewayKeyChanged) else "red")
    if isinstance(error, Refused) and not listed and (for_programs or error.code not in _OWN_CODES):
        out.append(f" ({error.code})", style="bright_black")
    for note in getattr(error, "__notes__", ()):
        out.append(f" {note}")
    console.print(out)


def _sentence(error: GalaxyError) -> str:
    """Return what went wrong for a person: begun as sentences are, and naming the fields that did not fit."""
    fields = error.details.get("fields") if isinstance(error, Refused) else None
    if isinstance(fields, list) and fields:
        said = [
            f"{field.get('field')}: {field.get('problem')}" for field in fields if isinstance(field, dict)
        ]
        return "The platform does not take this: " + "; ".join(said)
    text = str(error)
    if isinstance(error, CannotReach) and text.endswith("does not answer."):
        text += " Is it up, and is this its address?"
    first = text.split(" ", 1)[0]
    # An address or a field's name is written as it is.
    return text[:1].upper() + text[1:] if first.isalpha() else text


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"galaxy {installed_version('galaxy-platform')}")
        raise typer.Exit


def _root(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass
