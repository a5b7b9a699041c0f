"""`make up` with the services themselves: small enough, mail caught, data kept, nobody left behind."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

from deploy.embedded.spec import REPOSITORY
from deploy.tests.conftest import UP, all_gone, wait_until

pytestmark = pytest.mark.stores

IDLE_MEMORY_MIB_MAX = 600


class Up:
    """A running `python -m deploy.embedded up`, on ports of its own."""

    def __init__(self, data_folder: Path, output: Path) -> None:
        self.folder, self.output = data_folder, output
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "deploy.embedded",
                    "up",
                    "--ports",
                    "ephemeral",
                    "--data-dir",
                    str(data_folder),
                ],
                cwd=REPOSITORY,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=os.environ | {"NO_COLOR": "1", "COLUMNS": "120"},
            )
        wait_until(lambda: UP in self.text or self.process.poll() is not None, lambda: self.text)
        assert self.process.poll() is None, self.text

    @property
    def text(self) -> str:
        return self.output.read_text()

    def address(self, service: str, listener: str) -> str:
        state = json.loads((self.folder / "run" / "state.json").read_bytes())
        address: str = state["processes"][service]["listens"][listener]
        return address

    def call(self, service: str, listener: str, path: str, body=None):
        url = f"http://{self.address(service, listener)}{path}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - always http
            return json.loads(answer.read() or b"null")

    def codes_of(self, address: str):
        found = self.call("mailcatcher", "http", f"/api/v1/search?query=to:{address}")["messages"]
        return [message["Code"] for message in found]

    def descendants(self):
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def up(data_folder, tmp_path):
    running: list[Up] = []

    def start() -> Up:
        running.append(Up(data_folder, tmp_path / f"output-{len(running)}"))
        return running[-1]

    yield start
    for one in running:
        if one.process.poll() is None:
            one.end(signal.SIGTERM)


def test_a_newcomer_has_a_running_platform_a_code_in_the_mail_and_their_data_the_next_day(up):
    first = up()
    challenge = first.call(
        "gateway",
        "public",
        "/api/v1/public/auth/send-email-code",
        {"email": "ada@example.org", "locale": "en"},
    )
    assert challenge["challenge_id"]
    wait_until(lambda: first.codes_of("ada@example.org"), lambda: "the sign-in code in the mail catcher")
    code = first.codes_of("ada@example.org")[0]
    assert re.fullmatch(r"\d{6}", code)
    assert f"http://{first.address('gateway', 'public')}" in first.text
    assert f"http://{first.address('mailcatcher', 'http')}" in first.text
    assert re.search(r"Login operator +password [a-z0-9-]{19}", first.text)
    processes = first.descendants()
    assert first.end(signal.SIGINT) == 0
    stopped = re.findall(r"✓ (\w+) has stopped", first.text)
    assert stopped == ["gateway", "notification", "backend", "mail", "mailcatcher", "Valkey", "PostgreSQL"]
    assert all_gone(processes)

    second = up()
    said = re.search(r"([\d.]+) s · (\d+) MiB of memory", second.text)
    assert said is not None
    assert int(said[2]) < IDLE_MEMORY_MIB_MAX
    assert second.codes_of("ada@example.org") == [code]
    processes = second.descendants()
    second.end(signal.SIGKILL)
    wait_until(lambda: all_gone(processes), lambda: f"the end of {processes}")
