"""`make up` from nothing to ready and down again, with real stores and real (tiny) services."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time

import psutil
import pytest

from deploy.embedded.postgres import run_sql
from deploy.embedded.spec import REPOSITORY
from deploy.tests.conftest import PATIENCE_SECONDS, UP, all_gone, wait_until

pytestmark = pytest.mark.stores


def test_services_start_in_order_and_ctrl_c_stops_them_in_the_reverse(launch):
    run = launch("first", "second", "third").wait_up()
    processes = run.everybody()
    assert run.end(signal.SIGINT) == 0
    assert [line.rpartition(" ")[0] for line in run.journal] == [
        *("first started", "second started", "third started"),
        *("third stopped", "second stopped", "first stopped"),
    ]
    stopped = [line.split()[1] for line in run.lines if "has stopped" in line]
    assert stopped == ["third", "second", "first", "Valkey", "PostgreSQL"]
    assert all_gone(processes)


def test_ctrl_c_on_a_terminal_reaches_the_launcher_alone_even_through_make(tmp_path, data_folder):
    journal = tmp_path / "journal"
    makefile = tmp_path / "Makefile"
    command = f"{sys.executable} -m deploy.tests.tiny_launcher {data_folder} {journal} first second"
    makefile.write_text(f"up:\n\t@cd {REPOSITORY} && exec {command}\n")
    terminal, theirs = os.openpty()
    make = subprocess.Popen(
        ["make", "-f", str(makefile), "up"],
        preexec_fn=lambda: os.login_tty(theirs),  # noqa: PLW1509 - no other way to give it a terminal of its own
        pass_fds=[theirs],
    )
    os.close(theirs)
    said = bytearray()

    def read():
        while chunk := _read_terminal(terminal):
            said.extend(chunk)

    reader = threading.Thread(target=read)
    reader.start()
    wait_until(lambda: UP.encode() in said, said.decode)
    launcher = psutil.Process(make.pid).children(recursive=True)
    os.write(terminal, b"\x03")
    make.wait(PATIENCE_SECONDS)
    wait_until(lambda: all_gone(launcher), said.decode)
    reader.join(PATIENCE_SECONDS)
    os.close(terminal)
    notes = [line.rpartition(" ")[0] for line in journal.read_text().splitlines()]
    assert notes == ["first started", "second started", "second stopped", "first stopped"]
    assert "the data stays for the next start" in said.decode()


def _read_terminal(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other side is closed
        return b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_sigterm_and_a_closed_terminal_stop_everything_as_ctrl_c_does(launch, number):
    run = launch("first").wait_up()
    processes = run.everybody()
    assert run.end(number) == 0
    assert any(line.startswith("first stopped") for line in run.journal)
    assert all_gone(processes)


def test_ctrl_c_while_it_starts_leaves_nothing_behind(launch, data_folder):
    run = launch("first", "second")
    run.wait_for("PostgreSQL is ready")
    processes = run.everybody()
    assert run.end(signal.SIGINT) == 0
    assert all_gone(processes)
    again = launch("first").wait_up()
    assert again.end() == 0


def test_a_service_that_does_not_hear_sigterm_is_killed_in_its_time(launch):
    run = launch("first", "second:deaf").wait_up()
    processes = run.everybody()
    assert run.end() == 0
    assert any(line.startswith("first stopped") for line in run.journal)
    assert all_gone(processes)


def test_a_second_ctrl_c_ends_everything_at_once(launch):
    run = launch("first:stubborn").wait_up()
    processes = run.everybody()
    began = time.monotonic()
    run.process.send_signal(signal.SIGINT)
    run.wait_for("once more")
    run.end(signal.SIGINT)
    assert time.monotonic() - began < 15, "its launcher would have waited for 30 s"
    assert all_gone(processes)


def test_what_a_service_started_itself_ends_with_it(launch):
    run = launch("first:parent").wait_up()
    grandchild = psutil.Process(int(next(line for line in run.journal if "grandchild" in line).split()[-1]))
    run.end()
    assert all_gone([grandchild])


def test_a_killed_launcher_leaves_no_process_behind(launch):
    run = launch("first", "second").wait_up()
    processes = run.everybody()
    assert len(processes) > 5, "PostgreSQL, Valkey, the services and PostgreSQL's own processes"
    run.end(signal.SIGKILL)
    wait_until(lambda: all_gone(processes), lambda: f"the end of {processes}")


def test_after_a_killed_launcher_the_next_start_has_all_data(launch):
    run = launch("first").wait_up()
    run_sql(run.admin_dsn(), "CREATE TABLE kept (what text); INSERT INTO kept VALUES ('a committed row');")
    run.end(signal.SIGKILL)
    again = launch("first").wait_up()
    assert run_sql(again.admin_dsn(), "SELECT what FROM kept;") == "a committed row"
    assert again.end() == 0


def test_a_restart_keeps_data_secrets_and_store_ports(launch, data_folder):
    run = launch("first").wait_up()
    run_sql(run.admin_dsn(), "CREATE TABLE kept (what text); INSERT INTO kept VALUES ('a committed row');")
    before = {
        name: (data_folder / name).read_bytes() for name in ("secrets/secrets.json", "secrets/signer.pem")
    }
    ports = (data_folder / "ports.json").read_text()
    assert run.end() == 0
    again = launch("first").wait_up()
    assert run_sql(again.admin_dsn(), "SELECT what FROM kept;") == "a committed row"
    assert {name: (data_folder / name).read_bytes() for name in before} == before
    assert (data_folder / "ports.json").read_text() == ports
    assert "the database is made" not in again.text


def test_secrets_are_readable_by_their_owner_alone(launch, data_folder):
    run = launch("first").wait_up()
    assert stat.S_IMODE((data_folder / "secrets").stat().st_mode) == 0o700
    secret = [*(data_folder / "secrets").iterdir(), data_folder / "valkey" / "valkey.conf"]
    assert len(secret) == 3
    for path in secret:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    for folder in (data_folder / "logs", data_folder / "run"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    for path in [*(data_folder / "logs").iterdir(), data_folder / "run" / "state.json"]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    for process in run.everybody():
        for value in json.loads((data_folder / "secrets" / "secrets.json").read_bytes()).values():
            assert value not in " ".join(process.cmdline()), "a secret stands on a command line"


def test_everything_listens_on_the_loopback_interface_alone(launch):
    run = launch("first", "second").wait_up()
    listening = [
        (process.name(), connection.laddr.ip)
        for process in run.everybody()
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 4
    assert {address for _, address in listening} == {"127.0.0.1"}


def test_a_service_that_dies_is_started_again_on_the_same_address(launch):
    run = launch("first", "second").wait_up()
    before = run.state()["processes"]["first"]
    psutil.Process(before["pid"]).kill()
    run.wait_for("first is back")
    after = run.state()["processes"]["first"]
    assert "first ended by SIGKILL. It starts again in 1 s." in run.text
    assert after["pid"] != before["pid"]
    assert after["listens"] == before["listens"]
    assert after["restarts"] == 1


@pytest.mark.parametrize("store", ["postgresql", "valkey"])
def test_a_store_that_dies_is_started_again_on_the_same_port(launch, store, data_folder):
    run = launch("first").wait_up()
    ports = (data_folder / "ports.json").read_text()
    psutil.Process(run.pids()[store]).kill()
    run.wait_for("is back")
    assert (data_folder / "ports.json").read_text() == ports
    assert run_sql(run.admin_dsn(), "SELECT 1;") == "1"
    assert run.end() == 0


def test_a_service_that_dies_at_the_start_shows_its_last_lines(launch):
    run = launch("first", "second:die")
    assert run.wait() == 1
    assert "second ended with exit code 3 before it was ready." in run.text
    assert "│ cannot open the star chart" in run.text
    assert "second.log" in run.text
    assert any(line.startswith("first stopped") for line in run.journal), "no half of a stack stays up"
