"""`python -m engine.bench`: what a turn costs in the middle of a game of ten races, and what an idle engine takes.

Figures are medians; the last line is one JSON object for machines to read.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from engine.rules import forecast, report_json, report_text, save, setup, turn
from engine.rules.model import Game
from engine.rules.options import Options
from engine.rules.orders.reading import read_text
from engine.rules.setup import Seat
from engine.rules.turn_outcome import TurnOutcome

RACES = 10
MID_GAME = 40
ROUNDS = 15


def mid_game() -> Game:
    """Return a game of ten computer races after forty turns."""
    seats = [Seat(f"player-{number}", f"Race{number}", 3) for number in range(RACES)]
    game = setup.new_game("bench", "bench", Options(), seats)
    for _ in range(MID_GAME):
        game = turn.take_turn(game, {}).game
    return game


def publish(outcome: TurnOutcome) -> None:
    """Make what the server makes of a turn: all reports in both forms, and the save."""
    for race in outcome.game.races:
        values = report_json.report(outcome, race.id)
        save.canonical(values)
        report_text.render(values)
    save.dump(outcome.game)


def milliseconds(work: Callable[[], object]) -> float:
    """Return the median time of the work in milliseconds."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1000)
    return median(times)


def idle_memory_mib() -> float | None:
    """Return the resident memory of an engine process that has just become ready, where the system tells."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.json"
        environment = {**os.environ, "ENGINE_TOKEN": "bench", "ENGINE_LISTEN_ADDR": "127.0.0.1:0"}
        command = [sys.executable, "-m", "engine", "--ready-file", str(ready)]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        try:
            while not ready.exists() and process.poll() is None:
                time.sleep(0.01)
            status = Path(f"/proc/{process.pid}/status")
            if not status.exists():
                return None
            line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
            return int(line.split()[1]) / 1024
        finally:
            process.terminate()
            process.wait(timeout=20)


def result(name: str, value: float | None, unit: str, goal: float) -> dict[str, Any]:
    """Return one row in the form that all benches of the project share; no peer is known to compare with."""
    return {
        "name": name,
        "value": None if value is None else round(value, 2),
        "unit": unit,
        "peer": None,
        "peer_value": None,
        "ratio": None,
        "goal": goal,
        "met": None if value is None else value <= goal,
    }


def main() -> None:
    """Measure and print."""
    game = mid_game()
    outcome = turn.take_turn(game, {})
    orders = read_text("\n".join(f"P #{planet.id} CAP" for planet in game.planets if planet.owner == 0))
    rows = [
        result("turn_10_races_mid_game", milliseconds(lambda: turn.take_turn(game, {})), "ms", 250),
        result("reports_and_save_10_races", milliseconds(lambda: publish(outcome)), "ms", 500),
        result("orders_check", milliseconds(lambda: forecast.check(game, 0, orders)), "ms", 50),
        result("idle_memory", idle_memory_mib(), "MiB", 40),
    ]
    groups = sum(len(race.groups) for race in game.races)
    write = sys.stdout.write
    write(f"{len(game.races)} races, {len(game.planets)} planets, {groups} groups, turn {game.turn}\n")
    for row in rows:
        write(
            f"{row['name']:<28} {row['value']:>8} {row['unit']:<4} goal {row['goal']} {'met' if row['met'] else 'MISSED'}\n"
        )
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    write(json.dumps({"bench": "engine", "machine": machine, "results": rows}) + "\n")


if __name__ == "__main__":
    main()
