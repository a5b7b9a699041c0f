"""`make status`, `logs`, `down`, `clean-data` beside a running launcher."""

import json
import os
import subprocess
import sys

import pytest

from deploy.embedded.spec import REPOSITORY
from deploy.tests.conftest import all_gone

pytestmark = pytest.mark.stores


@pytest.fixture
def command(data_folder):
    """Run one command on the data folder; gives exit code and text."""

    def run(*arguments, said=""):
        done = subprocess.run(
            [sys.executable, "-m", "deploy.embedded", *arguments, "--data-dir", str(data_folder)],
            cwd=REPOSITORY,
            input=said,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=os.environ | {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "160"},
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_down_stops_a_running_stack_from_another_terminal(launch, command):
    run = launch("first").wait_up()
    processes = run.everybody()
    code, said = command("down")
    assert (code, "Galaxy has stopped" in said) == (0, True)
    assert run.wait() == 0
    assert all_gone(processes)
    assert command("down")[1].strip() == "Galaxy does not run here."


def test_status_names_every_process_with_state_memory_and_address(launch, command):
    assert command("status")[0] == 3
    run = launch("first", "second").wait_up()
    code, said = command("status")
    assert code == 0
    rows = {words[0]: words for words in map(str.split, said.splitlines()) if len(words) > 4}
    for name, pid in run.pids().items():
        assert rows[name][1:3] == ["ready", str(pid)]
        assert int(rows[name][3]) > 0, "it takes some memory"
        assert "127.0.0.1:" in " ".join(rows[name])
    assert "MiB of memory in all" in said


def test_logs_are_readable_and_outlive_the_stack(launch, command, data_folder):
    assert "no logs yet" in command("logs", "--no-follow")[1]
    assert launch("first", "second").wait_up().end() == 0
    event = {"time": "2030-01-01T10:20:30.456789Z", "level": "info", "event": "turn_generated", "turn": 7}
    with (data_folder / "logs" / "second.log").open("a") as log:
        log.write(json.dumps(event) + "\n")
    code, said = command("logs", "--no-follow")
    assert code == 0
    assert "first     first begins" in said
    assert "second    10:20:30.456  turn_generated  turn=7" in said
    assert "database system is shut down" in said
    alone = command("logs", "--no-follow", "second")[1]
    assert "first begins" not in alone
    code, said = command("logs", "--no-follow", "third")
    assert code == 1
    assert "There is no log of third." in said


def test_clean_data_asks_and_removes_only_after_a_yes(launch, command, data_folder):
    assert launch("first").wait_up().end() == 0
    for said in ("", "\n", "no\n"):
        code, answer = command("clean-data", said=said)
        assert code == 1
        assert "Nothing was removed." in answer
        assert (data_folder / "postgres").exists()
    assert command("clean-data", said="y\n")[0] == 0
    assert not data_folder.exists()
    assert "There is no data." in command("clean-data", "--yes")[1]


def test_clean_data_of_a_running_stack_is_refused(launch, command, data_folder):
    launch("first").wait_up()
    code, said = command("clean-data", "--yes")
    assert code == 1
    assert "Galaxy already runs on" in said
    assert (data_folder / "postgres").exists()


def test_clean_data_touches_neither_a_foreign_folder_nor_a_foreign_file(launch, command, data_folder):
    data_folder.mkdir()
    (data_folder / "thesis.txt").write_text("years of work")
    (data_folder / "logs").mkdir()
    code, said = command("clean-data", "--yes")
    assert code == 1
    assert "nothing in it was touched" in said
    (data_folder / "thesis.txt").unlink()
    (data_folder / "logs").rmdir()
    assert launch("first").wait_up().end() == 0
    (data_folder / "thesis.txt").write_text("years of work")
    assert command("clean-data", "--yes")[0] == 0
    assert [path.name for path in data_folder.iterdir()] == ["thesis.txt"]


def test_a_wrong_port_option_is_explained(command):
    code, said = command("up", "--port", "gateway=high")
    assert code == 2
    assert "'gateway=high' is not NAME=PORT" in said
    code, said = command("up", "--port", "gate.way=1")
    assert code == 1
    assert "There is no address named gate.way." in said
    assert "gateway.public" in said
