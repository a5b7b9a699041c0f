"""A running engine process for the tests of the edge."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.conformance.client import Client

TOKEN = "test-token"
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Process:
    """One engine process with a client; its log is in `log`."""

    process: subprocess.Popen[bytes]
    address: str
    log: Path
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = Client(self.address, TOKEN)

    def events(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=20)


@pytest.fixture
def start_engine(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    running: list[Process] = []

    def start(*arguments: str, **variables: str) -> Process:
        number = len(running)
        ready, log = tmp_path / f"ready-{number}.json", tmp_path / f"log-{number}.jsonl"
        environment = {
            **os.environ,
            "ENGINE_TOKEN": TOKEN,
            "ENGINE_LISTEN_ADDR": "127.0.0.1:0",
            "PYTHONPATH": str(ROOT),
            **variables,
        }
        command = [sys.executable, "-m", "engine", "--ready-file", str(ready), *arguments]
        with log.open("wb") as out:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out)
        deadline = time.monotonic() + 30
        while not ready.exists():
            assert process.poll() is None, "the engine ended before it was ready"
            assert time.monotonic() < deadline, "the engine is not ready in time"
            time.sleep(0.01)
        running.append(Process(process, json.loads(ready.read_text())["http"], log))
        return running[-1]

    yield start
    for engine in running:
        engine.process.kill()
        engine.process.wait()


@pytest.fixture
def engine(start_engine: Callable[..., Process]) -> Process:
    return start_engine()
