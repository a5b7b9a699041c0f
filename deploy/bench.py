"""Measures a start of the whole platform: `python -m deploy.bench`, or `make bench-start`.

A data folder of its own, ports of the system's choice: the first start makes the database, the ones after it are warm. The
last line is one JSON object, as all benches of the project print it; there is no peer to compare with.
"""

import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from deploy.embedded.spec import REPOSITORY

_WARM_STARTS = 5
_WARM_SECONDS_GOAL = 15
_IDLE_MIB_GOAL = 600
_READY = "Ctrl-C stops everything."
_MEMORY = re.compile(r"(\d+) MiB of memory")


def start(data_folder: Path) -> tuple[float, int]:
    """Start the platform and stop it again; return the seconds until it was ready and the MiB that it took then.

    Raises RuntimeError with what it said where it did not get that far.
    """
    command = [*(sys.executable, "-m", "deploy.embedded", "up"), *("--ports", "ephemeral")]
    began = time.monotonic()
    with subprocess.Popen(
        [*command, "--data-dir", str(data_folder)],
        cwd=REPOSITORY,
        env=os.environ | {"NO_COLOR": "1", "COLUMNS": "120", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        said: list[str] = []
        for line in process.stdout:
            said.append(line)
            if _READY in line:
                break
        took = time.monotonic() - began
        process.send_signal(signal.SIGINT)
        said += process.stdout
    memory = _MEMORY.search("".join(said))
    if process.returncode != 0 or memory is None:
        raise RuntimeError("".join(said))
    return took, int(memory[1])


def result(name: str, value: float, unit: str, goal: float | None) -> dict[str, Any]:
    """Return one row in the form that all benches of the project share."""
    return {
        "name": name,
        "value": round(value, 1),
        "unit": unit,
        "peer": None,
        "peer_value": None,
        "ratio": None,
        "goal": goal,
        "met": None if goal is None else value < goal,
    }


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="galaxy-bench-") as folder:
        data_folder = Path(folder) / "data"
        first, first_mib = start(data_folder)
        warm = [start(data_folder) for _ in range(_WARM_STARTS)]
    rows = [
        result("first_start", first, "s", None),
        result("first_start_memory", first_mib, "MiB", _IDLE_MIB_GOAL),
        result("warm_start", statistics.median(seconds for seconds, _ in warm), "s", _WARM_SECONDS_GOAL),
        result("warm_start_slowest", max(seconds for seconds, _ in warm), "s", _WARM_SECONDS_GOAL),
        result("idle_memory", statistics.median(mib for _, mib in warm), "MiB", _IDLE_MIB_GOAL),
    ]
    for row in rows:
        sys.stdout.write(f"{row['name']:<20} {row['value']:>8} {row['unit']}\n")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    sys.stdout.write(json.dumps({"bench": "start", "machine": machine, "results": rows}) + "\n")


if __name__ == "__main__":
    main()
