"""`watch`: the player's events as they happen."""

from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.text import Text

from client.command.shell import JsonOption, ProfileOption, Shell
from client.errors import CannotReach, Refused
from client.events import Event
from client.events.model import CONNECTED, RESYNC_REQUIRED
from client.keys import DEFAULT_PROFILE
from client.sdk import Galaxy

_Words = Callable[[dict[str, Any]], str]

_SAID: dict[str, _Words] = {
    CONNECTED: lambda _: "connected: what happens from now on is told here, Ctrl-C ends it",
    RESYNC_REQUIRED: lambda payload: f"events of the lane {payload.get('lane')} were lost: look afresh",
    "notification.game.turn.ready": lambda payload: (
        f"turn {payload.get('turn')} of {payload.get('game_name')} is ready"
    ),
    "notification.game.started": lambda payload: f"{payload.get('game_name')} has started",
    "notification.lobby.application.submitted": lambda payload: (
        f"{payload.get('applicant_name')} wants to play in {payload.get('game_name')}"
    ),
    "notification.lobby.application.approved": lambda payload: (
        f"you play in {payload.get('game_name')} as {payload.get('race_name')}"
    ),
    "notification.lobby.invite.created": lambda payload: (
        f"{payload.get('inviter_name')} invites you to {payload.get('game_name')}"
    ),
    "notification.account.new_device": lambda payload: (
        f"a new device signed in: {payload.get('device_name')}"
    ),
    "game.changed": lambda payload: f"{payload['game']}: {_change(payload)}",
    "lobby.changed": lambda payload: f"{payload['game']}: {str(payload.get('reason')).replace('_', ' ')}",
    "account.changed": lambda payload: f"your account: {str(payload.get('reason')).replace('_', ' ')}",
}


def _change(payload: dict[str, Any]) -> str:
    """Say what has changed in a game: the new state, a turn, or what the reason says."""
    reason, turn = str(payload.get("reason")), payload.get("turn")
    match reason:
        case "state_changed":
            return f"now {str(payload.get('state')).replace('_', ' ')}"
        case "turn_generated":
            return f"turn {turn} has fallen"
        case "final_changed":
            return "somebody's final mark has changed"
        case _:
            return reason.replace("_", " ") + ("" if turn is None else f", turn {turn}")


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

    Every event is verified. With --json, one object a line. A lost connection is taken up again where it broke off.

    Example: galaxy watch --until notification.game.turn.ready && galaxy report Sol
    """
    shell = Shell(profile, as_json=as_json)

    async def use(galaxy: Galaxy) -> None:
        names = _GameNames(galaxy)
        stream = galaxy.events(resume_after=galaxy.kept_cursors() if resume else None)
        seen = 0
        try:
            async for event in stream:
                _print(shell, event, await names.of(event))
                if event.event_type != CONNECTED:
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


class _GameNames:
    """Names of games, looked up once each: signals carry ids alone."""

    def __init__(self, galaxy: Galaxy) -> None:
        self._galaxy = galaxy
        self._known: dict[str, str] = {}

    async def of(self, event: Event) -> str:
        """Return the name of the event's game, the end of its id where it cannot be found, empty where it has none."""
        game_id = str(event.payload.get("game_id", ""))
        if game_id and game_id not in self._known:
            self._known[game_id] = str(event.payload.get("game_name") or await self._look_up(game_id))
        return self._known.get(game_id, "")

    async def _look_up(self, game_id: str) -> str:
        try:
            return (await self._galaxy.lobby.game(game_id)).name
        except (Refused, CannotReach):
            return game_id[-8:]


def _print(shell: Shell, event: Event, game: str) -> None:
    if shell.as_json:
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
        return
    words = _SAID.get(event.event_type)
    said = (
        words({**event.payload, "game": game})
        if words
        else ", ".join(f"{k}={v}" for k, v in event.payload.items())
    )
    kind = event.event_type.removeprefix("notification.")
    style = "bright_black" if event.event_type.startswith("gateway.") else "bold" if words else ""
    line = Text.assemble(
        (event.happened_at.astimezone().strftime("%H:%M:%S "), "bright_black"),
        (f"{kind:<28}", "cyan"),
        (said, style),
    )
    shell.out.print(line)
