"""How values look in a terminal."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from client.calls.model import Account, Application, Game, Invite, Schedule, Session, Turn
from kit.duration import format_duration

_STATE_STYLES = {
    "draft": "bright_black",
    "enrollment_open": "cyan",
    "ready_to_start": "cyan",
    "starting": "yellow",
    "start_failed": "red",
    "running": "green",
    "paused": "yellow",
    "finished": "bright_black",
    "cancelled": "bright_black",
}


_WIDE = 100


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    """Return an empty table in the house's style."""
    out = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for column in columns:
        out.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return out


def moment(value: datetime | None) -> str:
    """Write an instant in the reader's own time zone, to the minute."""
    return value.astimezone().strftime("%Y-%m-%d %H:%M") if value else "–"


def until(value: datetime | None) -> str:
    """Write how long from now, roughly."""
    if value is None:
        return "–"
    seconds = (value - datetime.now(UTC)).total_seconds()
    if seconds <= 0:
        return "now"
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size * 1.5:
            return f"in {seconds / size:.0f} {unit}"
    return f"in {seconds:.0f} s"


def short(identifier: str) -> str:
    """Return the end of an id, which tells ids of one time apart."""
    return identifier[-8:]


def state(value: str) -> Text:
    """Return a state in its colour, in words."""
    return Text(value.replace("_", " "), style=_STATE_STYLES.get(value, ""))


def schedule(value: Schedule) -> str:
    """Write when turns fall."""
    if value.kind == "cron":
        return f"{value.cron} ({value.time_zone or 'UTC'})"
    from datetime import timedelta

    return f"every {format_duration(timedelta(seconds=value.period_seconds or 0))}"


def games(items: Sequence[Game], width: int) -> RenderableType:
    """Return a list of games; how often turns fall is left out where the terminal is narrow."""
    wide = width >= _WIDE
    columns = ["GAME", "STATE", "TURN", "NEXT", "PLAYERS", *(["TURNS FALL"] if wide else []), "YOU", "ID"]
    out = table(*columns, right=("TURN",))
    for game in items:
        out.add_row(
            Text(game.name, style="bold"),
            state(game.state),
            "–" if game.current_turn is None else str(game.current_turn),
            until(game.next_turn_at),
            seats(game),
            *([schedule(game.schedule)] if wide else []),
            _me(game),
            Text(short(game.game_id), style="bright_black"),
        )
    return out


def seats(game: Game) -> str:
    """Write how many play; before the start, of how many there must and may be."""
    if game.current_turn is not None:
        return f"{len(game.players)}"
    most = "" if game.min_players == game.max_players else f"–{game.max_players}"
    return f"{len(game.players)} of {game.min_players}{most}"


def _me(game: Game) -> str:
    if game.me is None or game.me.role in {None, "none"}:
        return "applied" if game.me and game.me.application else ""
    race = game.me.race_name or ""
    return f"{race} (owner)" if game.me.role == "owner" else race


def game(value: Game) -> RenderableType:
    """Return one game with its players."""
    head = Table.grid(padding=(0, 2))
    head.add_column(style="bright_black")
    head.add_column()
    rows: list[tuple[str, RenderableType]] = [
        ("game", Text(value.name, style="bold")),
        ("id", value.game_id),
        ("state", state(value.state)),
        ("owner", value.owner.display_name),
        ("players", seats(value) + (", by invitation" if value.visibility == "invite" else "")),
        (
            "turns fall",
            schedule(value.schedule) + (", or early when all are final" if value.early_turn else ""),
        ),
        ("turn", "–" if value.current_turn is None else str(value.current_turn)),
        (
            "next turn",
            f"{moment(value.next_turn_at)} ({until(value.next_turn_at)})" if value.next_turn_at else "–",
        ),
    ]
    if value.runtime and value.runtime.detail:
        rows.append(("engine", f"{value.runtime.status}: {value.runtime.detail}"))
    for name, cell in rows:
        head.add_row(name, cell)
    # Before the start nobody has orders to finish.
    playing = value.current_turn is not None
    players = table("RACE", "PLAYER", "STATUS", *(["ORDERS"] if playing else []))
    for player in value.players:
        me = value.me is not None and value.me.race_name == player.race_name
        players.add_row(
            Text(player.race_name, style="bold green" if me else ""),
            player.display_name or ("computer" if player.user_id is None else ""),
            player.status,
            *(
                [Text("final", style="green") if player.final else Text("open", style="bright_black")]
                if playing
                else []
            ),
        )
    return Group(head, "", players)


def applications(items: Sequence[Application]) -> RenderableType:
    """Return who asks to play."""
    out = table("RACE", "PLAYER", "STATUS", "SINCE", "ID")
    for each in items:
        name = each.user.display_name if each.user else ""
        out.add_row(each.race_name, name, each.status, moment(each.created_at), short(each.application_id))
    return out


def invites(items: Sequence[Invite]) -> RenderableType:
    """Return invitations."""
    out = table("GAME", "FROM", "STATUS", "SINCE", "ID")
    for each in items:
        name = each.inviter.display_name if each.inviter else ""
        out.add_row(
            Text(each.game_name, style="bold"),
            name,
            each.status,
            moment(each.created_at),
            Text(short(each.invite_id), style="bright_black"),
        )
    return out


def sessions(items: Sequence[Session]) -> RenderableType:
    """Return signed-in devices."""
    out = table("DEVICE", "SIGNED IN", "LAST USED", "", "ID")
    for each in items:
        here = Text("this device", style="green") if each.current else ""
        out.add_row(
            each.device_name,
            moment(each.created_at),
            moment(each.last_used_at),
            here,
            Text(short(each.device_session_id), style="bright_black"),
        )
    return out


def account(value: Account) -> RenderableType:
    """Return the account."""
    out = Table.grid(padding=(0, 2))
    out.add_column(style="bright_black")
    out.add_column()
    for name, text in (
        ("name", value.display_name),
        ("e-mail", value.email),
        ("language", value.locale),
        ("time zone", value.time_zone),
        ("id", value.user_id),
    ):
        out.add_row(name, text)
    return out


def turns(items: Sequence[Turn], width: int) -> RenderableType:
    """Return the generated turns; the hash of the state only where there is room for what few ask for."""
    wide = width >= _WIDE
    out = table("TURN", "GENERATED", *(["STATE HASH"] if wide else []), right=("TURN",))
    for each in sorted(items, key=lambda each: each.turn):
        hashed = [Text(each.state_hash[:16], style="bright_black")] if wide else []
        out.add_row(str(each.turn), moment(each.generated_at), *hashed)
    return out


def verdicts(
    check: dict[str, Any] | None, lines: Sequence[str], *, only_wrong: bool = False
) -> RenderableType:
    """Return what the engine says of orders, line by line; `lines` are those that its line numbers count."""
    if check is None:
        return Text(
            "The engine could not be asked just now; the orders will be read when the turn falls.", "yellow"
        )
    out = table("LINE", "ORDER", "VERDICT", right=("LINE",))
    for result in check.get("results", []):
        if only_wrong and result.get("status") == "ok":
            continue
        number = int(result.get("line") or 0)
        order = lines[number - 1].strip() if 0 < number <= len(lines) else ""
        out.add_row(str(number), Text(order), _verdict(result))
    return Group(out, "", totals(check)) if check.get("results") else totals(check)


def totals(check: dict[str, Any]) -> Text:
    """Count verdicts as they are shown; the engine's own `accepted` holds those that it adjusted or ignored, too."""
    statuses = [result.get("status") for result in check.get("results", [])]
    accepted, rejected = statuses.count("ok"), statuses.count("error")
    adjusted = len(statuses) - accepted - rejected
    out = Text.assemble((f"{accepted} accepted", "green" if accepted else ""))
    if adjusted:
        out.append(", ").append(f"{adjusted} adjusted or ignored", style="yellow")
    return out.append(", ").append(f"{rejected} rejected", style="red" if rejected else "")


def _verdict(result: dict[str, Any]) -> Text:
    status = str(result.get("status", ""))
    if status == "ok":
        return Text("ok", style="green")
    word, style = ("rejected", "red") if status == "error" else ("adjusted or ignored", "yellow")
    out = Text(f"{word}: {result.get('message') or ''}".rstrip(": "), style=style)
    if result.get("code"):
        out.append(f" ({result['code']})", style="bright_black")
    return out


def forecast(check: dict[str, Any] | None) -> RenderableType | None:
    """Return the engine's forecast of the player's own planets, or None where it gave none."""
    planets = ((check or {}).get("forecast") or {}).get("planets")
    if not planets:
        return None
    out = table("PLANET", "SIZE", "PEOPLE", "INDUSTRY", "MAKES", right=("SIZE", "PEOPLE", "INDUSTRY"))
    for planet in planets:
        out.add_row(
            str(planet["name"]),
            f"{planet['size']:.0f}",
            f"{planet['population']:.1f}",
            f"{planet['industry']:.1f}",
            str(planet["production"]),
        )
    return Group(Text("If nobody interferes, after this turn:", style="bright_black"), out)
