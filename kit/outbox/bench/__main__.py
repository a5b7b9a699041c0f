"""`python -m kit.outbox.bench`: measure all, one after the other in each run, and write one line of JSON."""

import argparse
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import uvloop

from kit.logs import configure_logs
from kit.outbox.bench import lane
from kit.postgres import Database
from kit.testing import fresh_database

_PEERS = Path(__file__).with_name("peers.py")
_PGQUEUER_BATCHES = (100, 500, 1000)
_PROCRASTINATE_CONCURRENCIES = (1, 10, 30)

Measure = Callable[[], Awaitable[float]]


async def measure(
    dsn: str, peers_dsn: str, python: str, entries: int, batch: int, runs: int
) -> dict[str, Any]:
    """Measure all in turns; give the best run of each, of peers at the size at which it was quickest.

    The best rather than the median: a shared machine disturbs some runs, and not the same for all.
    """

    def peer(name: str, size: int, jobs: int) -> Measure:
        async def run() -> float:
            command = [python, str(_PEERS), name, peers_dsn, str(jobs), str(size)]
            return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)  # noqa: ASYNC221 - nothing else may run

        return run

    async with Database.open(dsn, "bench") as database:
        async with database.connection() as connection:
            await connection.execute(lane.TABLES)

        async def own() -> float:
            return entries / sum(await lane.drain(database, entries, batch))

        async def bare() -> float:
            return await lane.drain_bare(database, entries, batch)

        async def held() -> float:
            passes = await lane.drain_under_snapshot(database, entries, batch)
            tenth = max(1, len(passes) // 10)
            return _quiet(passes[:tenth]) / _quiet(passes[-tenth:])

        measures: dict[str, Measure] = {"own": own, "bare": bare, "held": held}
        if python:
            measures |= {f"pgqueuer {n}": peer("pgqueuer", n, entries) for n in _PGQUEUER_BATCHES}
            # A twentieth of the entries: it needs as long for them.
            measures |= {
                f"procrastinate {n}": peer("procrastinate", n, entries // 20)
                for n in _PROCRASTINATE_CONCURRENCIES
            }
        found: dict[str, list[float]] = {name: [] for name in measures}
        for _ in range(runs):
            for name, once in measures.items():
                found[name].append(await once())
    held_median = statistics.median(found.pop("held"))
    return _report({name: max(values) for name, values in found.items()}, held_median, batch)


def _quiet(passes: list[float]) -> float:
    # What else the machine does only ever adds time; the lower quarter shows what a pass costs by itself.
    return statistics.quantiles(passes, n=4)[0]


def _report(best: dict[str, float], held: float, batch: int) -> dict[str, Any]:
    own = best["own"]
    results = [_against(own, "bare asyncpg: no token, lease or history", best["bare"], batch, None)]
    for name, words, goal in (("pgqueuer", "batch", 3.0), ("procrastinate", "concurrency", 40.0)):
        sizes = {key.removeprefix(f"{name} "): pace for key, pace in best.items() if key.startswith(name)}
        if sizes:
            size = max(sizes, key=lambda size: sizes[size])
            results.append(_against(own, f"{name}, {words} {size}", sizes[size], batch, goal))
    results.append(
        {
            "name": "pace under a held snapshot, last tenth against first",
            "value": round(held, 2),
            "unit": "ratio",
            "peer": None,
            "peer_value": None,
            "ratio": None,
            "goal": ">= 0.9",
            "met": held >= 0.9,
        }
    )
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return {"bench": "outbox", "machine": machine, "results": results}


def _against(own: float, peer: str, pace: float, batch: int, goal: float | None) -> dict[str, Any]:
    return {
        "name": f"entries drained with attempts history, batch {batch}",
        "value": round(own),
        "unit": "entries/s",
        "peer": peer,
        "peer_value": round(pace),
        "ratio": round(own / pace, 2),
        "goal": f">= {goal:g} x" if goal else "",
        "met": goal is None or own / pace >= goal,
    }


async def _main() -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="python -m kit.outbox.bench")
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument(
        "--peers", default="", help="Python of the peers' environment; without it they are left out"
    )
    arguments = parser.parse_args()
    configure_logs("bench", "warning", sys.stderr)
    dsn = os.environ.get("GALAXY_TEST_POSTGRES_DSN")
    if not dsn:
        raise SystemExit("set GALAXY_TEST_POSTGRES_DSN to a superuser's DSN of a PostgreSQL to measure on")
    async with fresh_database(dsn) as own, fresh_database(dsn) as peers:
        return await measure(own, peers, arguments.peers, arguments.entries, arguments.batch, arguments.runs)


if __name__ == "__main__":
    sys.stdout.write(orjson.dumps(uvloop.run(_main())).decode() + "\n")
