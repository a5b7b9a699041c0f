"""`mails`: which mails come, and when none do."""

import re
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from client.calls.model import Preferences, QuietHours
from client.command import tables
from client.command.shell import JsonOption, ProfileOption, Shell
from client.errors import Refused
from client.keys import DEFAULT_PROFILE
from client.sdk import Galaxy

_HOURS = re.compile(r"((?:[01]\d|2[0-3]):[0-5]\d)-((?:[01]\d|2[0-3]):[0-5]\d)")
_ALL = "all"


def register(app: typer.Typer) -> None:
    """Add the command of this page."""
    app.command("mails", rich_help_panel="This device")(mails)


def mails(
    on: Annotated[
        list[str] | None, typer.Option("--on", metavar="TYPE", help="Send these mails again; or: all.")
    ] = None,
    off: Annotated[
        list[str] | None, typer.Option("--off", metavar="TYPE", help="Send no such mails; or: all.")
    ] = None,
    quiet: Annotated[
        str | None,
        typer.Option(
            metavar="HH:MM-HH:MM", help="Hours, in your time zone, in which no mail comes; or: never."
        ),
    ] = None,
    profile: ProfileOption = DEFAULT_PROFILE,
    as_json: JsonOption = False,
) -> None:
    """Show which mails come to you, or change it. Sign-in codes and news of a new device always come.

    Example: galaxy mails --off game.turn.ready --quiet 22:00-07:00
    """
    hours = _quiet_hours(quiet)
    shell = Shell(profile, as_json=as_json)

    async def use(galaxy: Galaxy) -> Preferences:
        now = await galaxy.account.preferences()
        if not on and not off and quiet is None:
            return now
        unwanted = (set(now.email_off) - _named(on, now)) | _named(off, now)
        return await galaxy.account.replace_preferences(
            sorted(unwanted), now.quiet_hours if quiet is None else hours
        )

    found = shell.run(use)
    shell.show(found, lambda: _drawn(found))


def _named(chosen: list[str] | None, known: Preferences) -> set[str]:
    if chosen == [_ALL]:
        return {*known.email_types, *known.email_off}
    for name in chosen or ():
        if name not in known.email_types and name not in known.email_off:
            raise Refused("choice.unclear", f"There are no mails called '{name}': galaxy mails shows them.")
    return set(chosen or ())


def _quiet_hours(text: str | None) -> QuietHours | None:
    if text is None or text == "never":
        return None
    hours = _HOURS.fullmatch(text)
    if hours is None:
        raise typer.BadParameter("write hours as 22:00-07:00, or never", param_hint="--quiet")
    return QuietHours.model_validate({"from": hours[1], "to": hours[2]})


def _drawn(found: Preferences) -> RenderableType:
    out = tables.table("MAIL", "COMES")
    for name in sorted({*found.email_types, *found.email_off}):
        out.add_row(name, Text("no", style="yellow") if name in found.email_off else Text("yes"))
    quiet = found.quiet_hours
    when = f"No mail from {quiet.from_} to {quiet.to}, your time." if quiet else "Mail comes at any hour."
    return Group(out, Text(when))
