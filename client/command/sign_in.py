"""`sign-in`: from an address to a signed-in device; at a terminal a wrong code is asked for again."""

import re
from typing import Annotated

import typer
from rich.text import Text

from client.command.shell import JsonOption, ProfileOption, Shell
from client.errors import Refused
from client.keys import DEFAULT_PROFILE
from client.sdk import DEFAULT_EDGE_URL, DEFAULT_GATEWAY_URL, Galaxy, SentCode, SignedIn

GatewayOption = Annotated[
    str | None,
    typer.Option(
        "--gateway",
        envvar="GALAXY_GATEWAY",
        help=f"The platform's public address; {DEFAULT_GATEWAY_URL} at first.",
        show_default=False,
    ),
]
EdgeOption = Annotated[
    str | None,
    typer.Option(
        "--edge",
        envvar="GALAXY_EDGE",
        help=f"The platform's address for signed commands; {DEFAULT_EDGE_URL} at first.",
        show_default=False,
    ),
]

_CODE = re.compile(r"[0-9]{6}")
_WRONG, _OVER, _TOO_MANY = "auth.code_wrong", "auth.challenge_over", "auth.too_many_codes"
_ANOTHER = "new"


def register(app: typer.Typer) -> None:
    """Add the command of this page."""
    app.command("sign-in", rich_help_panel="This device")(sign_in)


def sign_in(
    email: Annotated[
        str, typer.Argument(metavar="EMAIL", help="Where the code is sent. Asked for when left out.")
    ] = "",
    code: Annotated[str, typer.Option(help="The code, for scripts that read mail themselves.")] = "",
    device: Annotated[str, typer.Option(help="What to call this device; its host name by default.")] = "",
    locale: Annotated[
        str | None,
        typer.Option(help="Language of the code's mail, and of a new account: en or ru.", show_default=False),
    ] = None,
    gateway: GatewayOption = None,
    edge: EdgeOption = None,
    profile: ProfileOption = DEFAULT_PROFILE,
    as_json: JsonOption = False,
) -> None:
    """Sign this device in with a code from your mailbox.

    A key is made on this device and never leaves it. The first sign-in also makes the account, and pins the platform's
    own key: from then on every answer must be signed by it.

    Example: galaxy sign-in alice@example.org --profile alice
    """
    shell = Shell(profile, as_json=as_json, gateway_url=gateway, edge_url=edge)
    if code and not _CODE.fullmatch(_digits(code)):
        raise typer.BadParameter("a code is six digits", param_hint="--code")
    address = email or shell.ask("E-mail")

    async def use(galaxy: Galaxy) -> None:
        _mind_former_player(shell, galaxy, address)
        sent = await galaxy.send_code(address, locale)
        if code:
            signed_in = await galaxy.confirm_code(sent, _digits(code), device_name=device or None)
        else:
            _tell_sent(shell, sent)
            signed_in = await _ask_until_right(shell, galaxy, sent, device or None, locale)
        _show(shell, signed_in)

    shell.run(use)


async def _ask_until_right(
    shell: Shell, galaxy: Galaxy, sent: SentCode, device: str | None, locale: str | None
) -> SignedIn:
    """Ask for the code; a person may try as often as the platform lets him, a script has one try."""
    while True:
        given = shell.ask("Code")
        if shell.interactive and given.casefold() == _ANOTHER:
            sent = await _another(shell, galaxy, sent, locale)
            continue
        if shell.interactive and not _CODE.fullmatch(_digits(given)):
            shell.say(f"A code is six digits; '{_ANOTHER}' sends another one.")
            continue
        try:
            return await galaxy.confirm_code(sent, _digits(given), device_name=device)
        except Refused as refused:
            if not shell.interactive or refused.code not in {_WRONG, _OVER}:
                raise
            tries_left = refused.details.get("tries_left") if refused.code == _WRONG else 0
        if tries_left == 0:
            shell.say("This code is used up or too old.")
            shell.confirm("Send another one?")
            sent = await galaxy.send_code(sent.email, locale)
            _tell_sent(shell, sent)
        else:
            left = {None: "", 1: "; one try is left"}.get(tries_left, f"; {tries_left} tries are left")
            shell.say(f"This is not the code{left}. '{_ANOTHER}' sends another one.")


async def _another(shell: Shell, galaxy: Galaxy, sent: SentCode, locale: str | None) -> SentCode:
    """Have another code sent; where the platform has sent enough, the one before stays good."""
    try:
        another = await galaxy.send_code(sent.email, locale)
    except Refused as refused:
        if refused.code != _TOO_MANY:
            raise
        shell.say(f"{refused} The code sent last still counts.")
        return sent
    _tell_sent(shell, another)
    return another


def _digits(given: str) -> str:
    # Mail programs break codes into groups, and people copy them so.
    return given.replace(" ", "").replace("-", "")


def _tell_sent(shell: Shell, sent: SentCode) -> None:
    late = " Mail is slow just now: it may take some minutes." if sent.mail_delayed else ""
    shell.say(f"A code is on its way to {sent.email}.{late}")


def _mind_former_player(shell: Shell, galaxy: Galaxy, address: str) -> None:
    """See that nobody loses his place at this machine by a forgotten --profile."""
    if not galaxy.signed_in or galaxy.identity.email.casefold() == address.casefold():
        return
    shell.say(
        f"The profile '{shell.profile}' is signed in as {galaxy.identity.email}, whose key here would be forgotten; "
        "a player of his own goes with --profile NAME."
    )
    if shell.interactive:
        shell.confirm(f"Go on as {address}?")


def _show(shell: Shell, signed_in: SignedIn) -> None:
    identity = signed_in.identity
    result = {
        "user_id": identity.user_id,
        "device_session_id": identity.device_session_id,
        "new_account": signed_in.new_account,
        "gateway_url": identity.gateway_url,
        "edge_url": identity.edge_url,
    }
    welcome = "Welcome to Galaxy" if signed_in.new_account else "Signed in"
    shell.show(
        result,
        lambda: Text.assemble(
            (welcome, "green"), f" as {identity.email} under the profile '{shell.profile}'."
        ),
    )
    if signed_in.new_account:
        shell.say(f"Choose the name that others see: {shell.hint('account --name YOU')}")
        shell.say(f"Then look for a game: {shell.hint('games')}")
