"""A child process: its leash, its end, its log."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from deploy.embedded.child import Child, describe_exit
from deploy.embedded.errors import ChildFailedError
from deploy.embedded.logfile import LogFile
from deploy.embedded.spec import REPOSITORY
from deploy.tests.conftest import all_gone, wait_until

LEASH = REPOSITORY / "deploy" / "embedded" / "leash.py"


@pytest.mark.parametrize("watch", [(), ("--watch",)], ids=["by the kernel", "by watching"])
def test_a_leashed_process_ends_with_its_parent(tmp_path, watch):
    journal = tmp_path / "pid"
    command = ["sh", "-c", f"echo $$ > {journal}.part && mv {journal}.part {journal} && exec sleep 300"]
    script = f"""
import os, subprocess, sys
leash = [sys.executable, "-I", "-S", {str(LEASH)!r}, *{watch!r}, "TERM", str(os.getpid())]
subprocess.Popen(leash + {command!r}, start_new_session=True).wait()
"""
    parent = subprocess.Popen([sys.executable, "-c", script])
    wait_until(journal.exists, lambda: "the start of the leashed process")
    leashed = psutil.Process(int(journal.read_text()))
    parent.kill()
    parent.wait()
    wait_until(lambda: all_gone([leashed]), lambda: "the end of the leashed process")


def test_a_watched_process_hears_signals_and_hands_on_its_exit_code():
    command = [sys.executable, "-I", "-S", str(LEASH), "--watch", "KILL", str(os.getpid())]
    failed = subprocess.run([*command, "sh", "-c", "exit 7"], check=False)
    assert failed.returncode == 7
    with subprocess.Popen(
        [*command, "sh", "-c", "trap 'exit 5' TERM; echo on; while :; do sleep 0.05; done"],
        stdout=subprocess.PIPE,
    ) as watched:
        assert watched.stdout is not None
        assert watched.stdout.readline() == b"on\n"
        watched.send_signal(signal.SIGTERM)
        assert watched.wait(20) == 5


def test_waiting_for_a_process_that_ended_gives_its_last_words(tmp_path):
    log = LogFile(tmp_path / "it.log")
    child = Child("it", ["sh", "-c", "echo one; echo two >&2; exit 4"], log=log)
    with pytest.raises(ChildFailedError, match="it ended with exit code 4 before it was ready") as failure:
        child.wait_until(lambda: False, timeout_seconds=20)
    assert failure.value.last_lines == ("one", "two")
    child.kill()
    child.kill()  # may be repeated
    log.close()


def test_waiting_for_a_process_has_an_end(tmp_path):
    log = LogFile(tmp_path / "it.log")
    child = Child("it", ["sleep", "300"], log=log)
    with pytest.raises(ChildFailedError, match=r"it was not ready within 0.2 s."):
        child.wait_until(lambda: False, timeout_seconds=0.2)
    child.kill()
    log.close()
    assert describe_exit(child.exit_code or 0) == "by SIGKILL"


def test_a_log_is_turned_over_when_it_is_full(tmp_path):
    log = LogFile(tmp_path / "it.log", bytes_max=1000)
    for number in range(100):
        log.write(f"line {number:03d} {'x' * 40}\n".encode())
    log.close()
    written = [
        *(tmp_path / "it.log.1").read_text().splitlines(),
        *(tmp_path / "it.log").read_text().splitlines(),
    ]
    assert written[-1].startswith("line 099")
    assert [line[5:8] for line in written] == [f"{number:03d}" for number in range(100 - len(written), 100)]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2000


def test_a_log_goes_on_counting_bytes_after_a_restart(tmp_path):
    for _ in range(30):
        log = LogFile(tmp_path / "it.log", bytes_max=1000)
        log.write(b"x" * 99 + b"\n")
        log.close()
    assert (tmp_path / "it.log").stat().st_size <= 1000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_log_on_a_full_disk_loses_lines_but_keeps_its_tail(tmp_path):
    (tmp_path / "it.log").symlink_to("/dev/full")
    log = LogFile(tmp_path / "it.log")
    log.write(b"the last words\n")
    assert (log.lost, log.tail(1)) == (1, ("the last words",))
    log.close()


def test_a_log_is_its_owners_alone_also_where_an_older_one_was_not(tmp_path):
    path = tmp_path / "logs" / "it.log"
    LogFile(path).close()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    log = LogFile(path, bytes_max=1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    log.write(b"one\n")
    log.write(b"two\n")
    log.close()
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
