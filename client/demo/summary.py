"""What the demo says at its end: a short account, the map in characters, and where the picture lies."""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from client.chart import draw_picture, draw_text, read_chart
from client.command.tables import table
from client.demo.errors import NotSeen
from client.demo.player import DemoPlayer
from client.demo.story import Played


def verify(played: Played) -> None:
    """Raise NotSeen unless every turn came to both, as both kinds of event and as report."""
    turns = set(range(1, played.turns + 1))
    for player in played.players:
        seen = player.seen
        for what, got in (
            ("signal", seen.turn_signals),
            ("notification", seen.turn_notices),
            ("report", set(seen.reports)),
        ):
            if missing := sorted(turns - got):
                raise NotSeen(f"{player.race} never got the {what} of turn {missing[0]}.")
        ids = [event.event_id for event in seen.events]
        if len(ids) != len(set(ids)):
            raise NotSeen(f"{player.race} got an event twice.")


def paint(played: Played, folder: Path) -> Path:
    """Paint what the first player sees into a folder; return the picture's path."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / "map.png"
    chart = read_chart(played.players[0].seen.reports[played.turns])
    draw_picture(chart, played.game_name).save(picture)
    return picture


def show(played: Played, picture: Path, console: Console) -> None:
    """Print the account and the map."""
    chart = read_chart(played.players[0].seen.reports[played.turns])
    console.print()
    console.print(draw_text(chart, min(100, console.width)))
    console.print()
    console.print(_account(played))
    console.print()
    slowest, middle = max(played.turn_seconds), statistics.median(played.turn_seconds)
    console.print(
        f"{played.turns} turns, each {middle:.2f} s from the last final mark to both players' events "
        f"({slowest:.2f} s at most).\nThe engine was up in {played.start_seconds:.1f} s, the whole took "
        f"{played.whole_seconds:.0f} s."
    )
    console.print(Text.assemble("Picture: ", (str(picture), "bold")))
    console.print(left_behind(played))


def left_behind(played: Played) -> Text:
    """Say what stays on the platform: no call of players ends a game that has begun."""
    return Text.assemble(
        (played.game_name, "bold"),
        f" (game {played.game_id}) goes on: it stays in everybody's list of games, and a turn falls every day "
        "although nobody plays it any more.",
    )


def _account(played: Played) -> Table:
    out = table(
        "", *(player.race for player in played.players), right=[player.race for player in played.players]
    )
    facts: tuple[tuple[str, Callable[[DemoPlayer], str]], ...] = (
        ("worlds", lambda player: f"{_own(player, played)['planets']}"),
        ("people", lambda player: f"{_own(player, played)['population']:,.0f}"),
        ("industry", lambda player: f"{_own(player, played)['industry']:,.0f}"),
        ("drive", lambda player: f"{_own(player, played)['drive']:.2f}"),
        ("orders given", lambda player: f"{player.seen.orders_given}"),
        ("orders refused", lambda player: f"{player.seen.orders_rejected}"),
        ("events seen", lambda player: f"{len(player.seen.events)}"),
        ("mails received", lambda player: f"{len(played.mails[player.race])}"),
        ("signed in after", lambda player: f"{player.seen.code_seconds:.1f} s"),
    )
    for name, value in facts:
        out.add_row(name, *(value(player) for player in played.players))
    return out


def _own(player: DemoPlayer, played: Played) -> dict[str, Any]:
    report = player.seen.reports[played.turns]
    row: dict[str, Any] = next(race for race in report["races"] if race["race"] == report["race"])
    return row
