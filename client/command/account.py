"""`sign-out`, `account`, `sessions`, `trust`: who plays here, and whom this machine believes."""

from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

from client.calls.model import Session
from client.command import tables
from client.command.shell import JsonOption, ProfileOption, Shell
from client.command.sign_in import GatewayOption
from client.errors import Refused
from client.gateway_keys import PinStore, fingerprint
from client.keys import DEFAULT_PROFILE, home
from client.sdk import Galaxy


def register(app: typer.Typer) -> None:
    """Add the commands of this page."""
    app.command("sign-out", rich_help_panel="This device")(sign_out)
    app.command("account", rich_help_panel="This device")(account)
    app.add_typer(_sessions, name="sessions", rich_help_panel="This device")
    app.command("trust", rich_help_panel="This device")(trust)


def sign_out(
    profile: ProfileOption = DEFAULT_PROFILE,
    forget: Annotated[
        bool, typer.Option("--forget", help="Only forget the key here, also when the platform is away.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """End this device's session and forget its key.

    Example: galaxy sign-out --profile alice
    """
    shell = Shell(profile, as_json=as_json)

    async def use(galaxy: Galaxy) -> None:
        left = galaxy.identity
        await (galaxy.forget() if forget else galaxy.sign_out())
        shell.show(
            {"device_session_id": left.device_session_id, "revoked": not forget},
            lambda: f"Signed out {left.email}; the key of this device is forgotten.",
        )

    shell.run(use)


def account(
    name: Annotated[str | None, typer.Option("--name", help="Change the name that others see.")] = None,
    locale: Annotated[str | None, typer.Option(help="Change the language: en or ru.")] = None,
    time_zone: Annotated[
        str | None, typer.Option(help="Change the time zone, such as Europe/Berlin.")
    ] = None,
    profile: ProfileOption = DEFAULT_PROFILE,
    as_json: JsonOption = False,
) -> None:
    """Show your account, or change it.

    Example: galaxy account --name "Alice of Sol"
    """
    shell = Shell(profile, as_json=as_json)
    if name is None and locale is None and time_zone is None:
        found = shell.run(lambda galaxy: galaxy.account.get())
    else:
        found = shell.run(
            lambda galaxy: galaxy.account.update(display_name=name, locale=locale, time_zone=time_zone)
        )
    shell.show(found, lambda: tables.account(found))


_sessions = typer.Typer(
    help="List, rename and end the devices that are signed in to your account.",
    invoke_without_command=True,
    no_args_is_help=False,
)
_SessionArgument = Annotated[
    str, typer.Argument(metavar="SESSION", help="A device's id, the end of its id, or its name.")
]


@_sessions.callback()
def list_sessions(
    context: typer.Context, profile: ProfileOption = DEFAULT_PROFILE, as_json: JsonOption = False
) -> None:
    """List the devices that are signed in to your account.

    Example: galaxy sessions
    """
    if context.invoked_subcommand:
        return
    shell = Shell(profile, as_json=as_json)
    page = shell.run(lambda galaxy: galaxy.sessions.list())
    shell.show(page, lambda: tables.sessions(page.items))


@_sessions.command("rename")
def rename_session(
    session: _SessionArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The new name.")],
    profile: ProfileOption = DEFAULT_PROFILE,
    as_json: JsonOption = False,
) -> None:
    """Give a device another name.

    Example: galaxy sessions rename "old laptop" attic
    """
    shell = Shell(profile, as_json=as_json)

    async def use(galaxy: Galaxy) -> None:
        found = await _find_session(galaxy, session)
        await galaxy.sessions.rename(found.device_session_id, name)
        shell.show(
            {"device_session_id": found.device_session_id, "device_name": name},
            lambda: f"'{found.device_name}' is now called '{name}'.",
        )

    shell.run(use)


@_sessions.command("revoke")
def revoke_session(
    session: _SessionArgument, profile: ProfileOption = DEFAULT_PROFILE, as_json: JsonOption = False
) -> None:
    """End a device's session at once, for good.

    Example: galaxy sessions revoke "lost phone"
    """
    shell = Shell(profile, as_json=as_json)

    async def use(galaxy: Galaxy) -> None:
        found = await _find_session(galaxy, session)
        await galaxy.sessions.revoke(found.device_session_id)
        if found.current:
            await galaxy.forget()
        shell.show(
            {"device_session_id": found.device_session_id, "revoked": True},
            lambda: f"'{found.device_name}' is signed out.",
        )

    shell.run(use)


@_sessions.command("revoke-all")
def revoke_all_sessions(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    profile: ProfileOption = DEFAULT_PROFILE,
    as_json: JsonOption = False,
) -> None:
    """Sign out everywhere, here too.

    Example: galaxy sessions revoke-all --yes
    """
    if not yes:
        Shell(profile).confirm("Sign out every device, this one too?")
    shell = Shell(profile, as_json=as_json)

    async def use(galaxy: Galaxy) -> None:
        ended = await galaxy.sessions.revoke_all()
        await galaxy.forget()
        sessions = "One session" if ended.revoked == 1 else f"{ended.revoked} sessions"
        shell.show(ended, lambda: f"Signed out everywhere: {sessions} ended.")

    shell.run(use)


def trust(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Accept without asking.")] = False,
    gateway: GatewayOption = None,
    profile: ProfileOption = DEFAULT_PROFILE,
    as_json: JsonOption = False,
) -> None:
    """Show the platform's keys beside those pinned here, and accept a change.

    Compare the fingerprints with what the operator tells you by another way before you accept: whoever sits between you
    and the platform would show you a key of his own.

    Example: galaxy trust --gateway https://galaxy.example.org
    """
    shell = Shell(profile, as_json=as_json, gateway_url=gateway)

    async def use(galaxy: Galaxy) -> None:
        from client.public import PublicApi

        public = PublicApi(galaxy.gateway_url)
        pinned = {key.key_id: key for key in PinStore(home(), public.gateway_url).load()}
        offered = await public.keys()
        gone = [key for key_id, key in pinned.items() if key_id not in {each.key_id for each in offered}]
        rows = [
            {
                "key_id": key.key_id,
                "fingerprint": fingerprint(key.public_key),
                "status": "retired" if key.retired else "active",
                "pinned": key.key_id in pinned,
            }
            for key in offered
        ] + [
            {
                "key_id": key.key_id,
                "fingerprint": fingerprint(key.public_key),
                "status": "gone",
                "pinned": True,
            }
            for key in gone
        ]

        def drawn() -> RenderableType:
            out = tables.table("FINGERPRINT", "STATUS", "HERE")
            for row in rows:
                out.add_row(
                    str(row["fingerprint"]),
                    str(row["status"]),
                    "pinned" if row["pinned"] else Text("new", style="red"),
                )
            return out

        if not gone and all(row["pinned"] for row in rows):
            shell.show(rows, drawn)
            shell.say("Nothing has changed.")
            return
        if not shell.as_json:
            shell.out.print(drawn())
        if not yes:
            shell.confirm(f"Believe what these keys sign for {public.gateway_url}?")
        await galaxy.gateway_keys().accept()
        shell.say("Accepted.")
        if shell.as_json:
            shell.print_json([{**row, "pinned": row["status"] != "gone"} for row in rows])

    shell.run(use)


async def _find_session(galaxy: Galaxy, text: str) -> Session:
    found = [
        session
        for session in (await galaxy.sessions.list()).items
        if session.device_session_id.endswith(text.lower())
        or session.device_name.casefold() == text.casefold()
    ]
    if len(found) != 1:
        many = "No session is" if not found else f"{len(found)} sessions are"
        raise Refused("choice.unclear", f"{many} called '{text}': galaxy sessions shows them.")
    return found[0]
