"""`watch`: the player's events as they happen."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from client.command.shell import JsonOption, ProfileOption, Shell
from client.command.telling import Teller
from client.errors import GalaxyError
from client.events import Event
from client.events.model import CONNECTED
from client.keys import DEFAULT_PROFILE
from client.sdk import Galaxy


def register(app: typer.Typer) -> None:
    """Add the command of this page."""
    app.command("watch", rich_help_panel="Play")(watch)


def watch(
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="Stop after so many events.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Stop after an event of this type, such as game.changed.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Begin where the last watch under this profile ended.")
    ] = False,
    profile: ProfileOption = DEFAULT_PROFILE,
    as_json: JsonOption = False,
) -> None:
    """Watch what happens, as it happens; Ctrl-C ends it.

    Every event is verified. A lost connection is told, and taken up again where it broke off. With --json, every event as it
    came, one object a line; its event_type is what --until takes.

    Example: galaxy watch --until notification.game.turn.ready && galaxy report Sol
    """
    shell = Shell(profile, as_json=as_json)

    async def use(galaxy: Galaxy) -> None:
        teller = Teller(galaxy)

        def interrupted(error: GalaxyError) -> None:
            if not as_json:
                _print(shell, datetime.now(UTC), f"connection lost, trying again: {error}", "yellow")

        stream = galaxy.events(
            resume_after=galaxy.kept_cursors() if resume else None, on_interruption=interrupted
        )
        seen = 0
        try:
            async for event in stream:
                hello = event.event_type == CONNECTED
                said = None if as_json else await teller.tell(event)
                if as_json:
                    _print_json(shell, event)
                elif said is not None:
                    _print(shell, event.happened_at, said, "bright_black" if hello else "bold")
                if not hello and (as_json or said is not None):
                    seen += 1
                if event.event_type == until or (count is not None and seen >= count):
                    # Dealt with: the cursor may move behind it before we go.
                    stream.deal_with(event)
                    break
        finally:
            if stream.cursors:
                galaxy.keep_cursors(stream.cursors)

    try:
        shell.run(use)
    except KeyboardInterrupt:
        shell.say("")


def _print_json(shell: Shell, event: Event) -> None:
    shell.print_json(
        {
            "event_type": event.event_type,
            "event_id": event.event_id,
            "happened_at": event.happened_at,
            "cursor": event.cursor,
            "payload": event.payload,
        },
        indent=None,
    )


def _print(shell: Shell, at: datetime, said: str, style: str) -> None:
    shell.out.print(
        Text.assemble((at.astimezone().strftime("%H:%M:%S "), "bright_black"), (said, style)), soft_wrap=True
    )
