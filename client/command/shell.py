"""What every command stands on: the profile, the two consoles, and how a call becomes output."""

import asyncio
import json
import os
import shlex
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TextIO, TypeVar

import typer
from pydantic import BaseModel
from rich.console import Console, RenderableType
from rich.text import Text

from client import keys
from client.command.exits import ExitCode
from client.errors import NotSignedIn
from client.gateway_keys import Rotation
from client.sdk import Galaxy

ProfileOption = Annotated[
    str,
    typer.Option(
        "--profile",
        "-p",
        envvar="GALAXY_PROFILE",
        help="Who plays: several players can share a machine, each under a profile.",
        show_default=True,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
GameArgument = Annotated[
    str | None,
    typer.Argument(
        envvar="GALAXY_GAME",
        metavar="GAME",
        help="A game's id, its name, or the end of its id; left out: your only game that is not over.",
        show_default=False,
    ),
]

R = TypeVar("R")

_WIDTH_OF_PIPES = 200


class Shell:
    """One run of the command."""

    def __init__(
        self,
        profile: str = keys.DEFAULT_PROFILE,
        *,
        as_json: bool = False,
        gateway_url: str | None = None,
        edge_url: str | None = None,
    ) -> None:
        self.profile = profile
        self.as_json = as_json
        self._gateway_url = gateway_url
        self._edge_url = edge_url
        # A pipe has no width; tables in it are cut by the reader, not by us.
        # No markup in strings: other people's names stand in them. What has a style is a Text.
        self.out = Console(
            highlight=False, markup=False, width=None if sys.stdout.isatty() else _WIDTH_OF_PIPES
        )
        self.errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

    def run(self, use: Callable[[Galaxy], Awaitable[R]]) -> R:
        """Open the profile, signed in or not, and use it."""

        async def opened() -> R:
            async with Galaxy(
                self.profile,
                gateway_url=self._gateway_url,
                edge_url=self._edge_url,
                on_rotation=self._tell_rotation,
            ) as galaxy:
                try:
                    return await use(galaxy)
                except NotSignedIn as error:
                    error.add_note(self._way_back_in(galaxy))
                    raise

        return asyncio.run(opened())

    def show(self, value: Any, drawn: Callable[[], RenderableType]) -> None:
        """Print a value: as JSON where asked for, else as drawn."""
        if self.as_json:
            self.print_json(value)
        else:
            self.out.print(drawn())

    def print_json(self, value: Any, *, indent: int | None = 2) -> None:
        """Print a value as JSON on plain stdout."""
        sys.stdout.write(json.dumps(_plain(value), ensure_ascii=False, indent=indent) + "\n")
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """Tell a person something that is no result: it goes to stderr, and nowhere when JSON is wanted."""
        if not self.as_json:
            self.errors.print(text)

    def warn(self, text: str) -> None:
        """Tell a person of something that he may not want; as `say` otherwise."""
        self.explain(Text(text, style="bold red"))

    def explain(self, drawn: RenderableType) -> None:
        """Show a person something that is no result; as `say` otherwise."""
        if not self.as_json:
            self.errors.print(drawn)

    @staticmethod
    def ask(question: str, answers: TextIO | None = None) -> str:
        """Ask a person on stderr, so that stdout stays the result's; an empty answer is asked for again.

        Answers come from stdin unless another source is given. Ctrl-C ends the command even inside a running event loop.
        """
        while True:
            # From before the question on: whoever reads it may press at once.
            with _interruptible():
                sys.stderr.write(f"{question}: ")
                sys.stderr.flush()
                line = (answers or sys.stdin).readline()
            if not line:
                sys.stderr.write("\n")
                raise typer.BadParameter(f"nobody answered '{question}'")
            if line.strip():
                return line.strip()

    @classmethod
    def confirm(cls, question: str, answers: TextIO | None = None) -> None:
        """Go on after a yes; leave with "refused" otherwise."""
        if cls.ask(f"{question} [y/N]", answers).lower() not in {"y", "yes"}:
            raise typer.Exit(ExitCode.REFUSED)

    @property
    def interactive(self) -> bool:
        """Tell whether whoever types on stdin is a person."""
        return sys.stdin.isatty()

    @staticmethod
    @contextmanager
    def person() -> Iterator[TextIO | None]:
        """Give where a person at a terminal can be asked, also when stdin is a pipe; None where a script runs us."""
        if sys.stdin.isatty():
            yield sys.stdin
            return
        terminal: TextIO | None = None
        if sys.stderr.isatty():
            with suppress(OSError):
                terminal = Path("/dev/tty").open(encoding="utf-8")  # noqa: SIM115 - closed below
        try:
            yield terminal
        finally:
            if terminal is not None:
                terminal.close()

    def hint(self, command: str) -> str:
        """Return a command to type next, for the profile that is in use."""
        usual = os.environ.get("GALAXY_PROFILE") or keys.DEFAULT_PROFILE
        return f"galaxy {command}" + ("" if self.profile == usual else f" --profile {self.profile}")

    def _way_back_in(self, galaxy: Galaxy) -> str:
        """Say what helps a person who is not signed in, or not any more."""
        if not galaxy.signed_in:
            return f"Sign in: `{self.hint('sign-in')}`."
        # The platform tells nobody but the address's owner of a block, so here it can only be guessed.
        return (
            "It was signed out from elsewhere, or the account was blocked. "
            f"Sign in again: `{self.hint(f'sign-in {quoted(galaxy.identity.email)}')}`; "
            "if that is refused, ask the operators: they may have blocked the account."
        )

    def _tell_rotation(self, rotation: Rotation) -> None:
        self.errors.print(
            Text.assemble(
                (f"The gateway at {rotation.gateway_url} signs with a new key.", "bold yellow"),
                " It was announced beside the old one and is believed from now on.\n"
                f"  old: {rotation.former}\n  new: {rotation.present}",
            )
        )


def quoted(name: str) -> str:
    """Return a name as it is typed in a shell."""
    return shlex.quote(name)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end a blocking read: an event loop's own handler would wait for the read to return first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value.isoformat() if isinstance(value, datetime) else value
