"""A launcher as a process of its own, over tiny services."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.embedded.spec import REPOSITORY

UP = "Ctrl-C stops everything."
PATIENCE_SECONDS = 40


class Run:
    """One launcher process: what it prints, what it started."""

    def __init__(self, folder: Path, journal: Path, arguments: tuple[str, ...]) -> None:
        self.folder = folder
        self.journal_path = journal
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "deploy.tests.tiny_launcher", str(folder), str(journal), *arguments],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"NO_COLOR": "1", "TERM": "dumb"},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line.rstrip())

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def journal(self) -> list[str]:
        return self.journal_path.read_text().splitlines() if self.journal_path.exists() else []

    def wait_for(self, text: str) -> None:
        wait_until(
            lambda: text in self.text or self.process.poll() is not None, lambda: f"{text!r} in:\n{self.text}"
        )
        self._reader.join(0 if self.process.poll() is None else 5)
        assert text in self.text, f"it ended without saying {text!r}:\n{self.text}"

    def wait_up(self) -> "Run":
        self.wait_for(UP)
        return self

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(PATIENCE_SECONDS)
        self._reader.join(5)
        return code

    def state(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads((self.folder / "run" / "state.json").read_bytes())
        return said

    def admin_dsn(self) -> str:
        """Return the superuser's DSN of its database."""
        password = json.loads((self.folder / "secrets" / "secrets.json").read_bytes())["postgres_superuser"]
        port = json.loads((self.folder / "ports.json").read_bytes())["postgres"]
        return f"postgresql://postgres:{password}@127.0.0.1:{port}/galaxy"

    def pids(self) -> dict[str, int]:
        """Every process that it keeps, by name."""
        return {name: said["pid"] for name, said in self.state()["processes"].items() if "pid" in said}

    def everybody(self) -> list[psutil.Process]:
        """The launcher's descendants, PostgreSQL's own included."""
        return psutil.Process(self.process.pid).children(recursive=True)


def wait_until(condition: Callable[[], object], what: Callable[[], str] = lambda: "") -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what()}"
        time.sleep(0.02)


def all_gone(processes: list[psutil.Process]) -> bool:
    return not any(
        process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in _alive(processes)
    )


def _alive(processes: list[psutil.Process]) -> Iterator[psutil.Process]:
    for process in processes:
        if psutil.pid_exists(process.pid) and process.is_running():
            yield process


Launch = Callable[..., Run]


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def launch(tmp_path: Path, data_folder: Path) -> Iterator[Launch]:
    """Start a launcher on `data_folder` (or another); all of them are ended afterwards."""
    runs: list[Run] = []

    def start(*arguments: str, folder: Path | None = None) -> Run:
        runs.append(Run(folder or data_folder, tmp_path / "journal", arguments))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            run.process.terminate()
        try:
            run.wait()
        except subprocess.TimeoutExpired:
            run.process.kill()
            run.wait()


@pytest.fixture
def tiny_disk(tmp_path):
    """Mount a file system of some MiB; needs root, elsewhere the test that asks is skipped."""
    mounted = []

    def mount(mebibytes: int) -> Path:
        place: Path = tmp_path / "disk"
        place.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0777", "galaxy-test", str(place)],
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            pytest.skip("this user may not mount a small file system")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(path: Path) -> None:
    """Write until the file system has no block left."""
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            while True:
                try:
                    file.write(b"\0" * size)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    break
