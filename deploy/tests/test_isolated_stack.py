"""A stack for tests, over the session's stores, with the mail catcher and a tiny service in it."""

import smtplib
import urllib.request

import psutil
import pytest

from deploy.embedded.environment import MAILCATCHER
from deploy.embedded.errors import ChildFailedError
from deploy.embedded.postgres import run_sql
from deploy.embedded.stack import isolated_stack
from deploy.tests.tiny_launcher import tiny

pytestmark = pytest.mark.stores


@pytest.fixture
def stores(postgres_admin_dsn, valkey_url):
    return {"admin_dsn": postgres_admin_dsn, "redis_url": valkey_url}


def test_two_stacks_stand_side_by_side_and_leave_nothing(tmp_path, stores):
    """backend-runbook:173-174, backend-runbook:161-163."""
    journal = str(tmp_path / "journal")
    specs = [MAILCATCHER, tiny("first", "", journal)]
    with (
        isolated_stack(tmp_path / "one", specs=specs, **stores) as one,
        isolated_stack(tmp_path / "two", specs=specs, **stores) as two,
    ):
        assert one.address("mailcatcher.http") != two.address("mailcatcher.http")
        assert one.admin_dsn != two.admin_dsn
        assert one.redis_key_prefix != two.redis_key_prefix
        pids = [stack.pid(name) for stack in (one, two) for name in ("mailcatcher", "first")]
        ready = one.url("mailcatcher.http") + "/readyz"
        with urllib.request.urlopen(ready, timeout=5) as answer:  # noqa: S310 - always http
            assert answer.read() == b"ok"
        databases = [stack.admin_dsn.rpartition("/")[2] for stack in (one, two)]
    assert not any(psutil.pid_exists(pid) for pid in pids)
    left = run_sql(stores["admin_dsn"], "SELECT datname FROM pg_database; SELECT rolname FROM pg_roles;")
    assert not [name for name in databases if name in left]
    assert databases[0].removeprefix("galaxy") not in left, "a login was left"


def test_a_killed_service_stays_down_and_comes_back_on_its_address(tmp_path, stores):
    with isolated_stack(tmp_path, specs=[MAILCATCHER], **stores) as stack:
        host, port = stack.address("mailcatcher.smtp").split(":")
        stack.kill("mailcatcher")
        with pytest.raises(OSError, match="refused"):
            smtplib.SMTP(host, int(port), timeout=5)
        stack.start("mailcatcher")
        assert stack.address("mailcatcher.smtp") == f"{host}:{port}"
        with smtplib.SMTP(host, int(port), timeout=5) as client:
            assert client.noop()[0] == 250
        assert stack.stop("mailcatcher")


def test_variables_of_a_test_win_over_the_defaults(tmp_path, stores):
    with isolated_stack(
        tmp_path, specs=[MAILCATCHER], variables={"MAILCATCHER_FOLDER": str(tmp_path / "elsewhere")}, **stores
    ):
        assert (tmp_path / "elsewhere").is_dir()


def test_a_service_that_does_not_start_shows_its_log_and_takes_the_stack_down(tmp_path, stores, capsys):
    """backend-runbook:174-175."""
    journal = tmp_path / "journal"
    specs = [tiny("first", "", str(journal)), tiny("second", "die", str(journal))]
    with (
        pytest.raises(ChildFailedError, match="second ended with exit code 3") as failure,
        isolated_stack(tmp_path, specs=specs, **stores),
    ):
        pytest.fail("it must not come up")
    assert failure.value.last_lines[-1] == "cannot open the star chart"
    assert "cannot open the star chart" in capsys.readouterr().err
    assert any(line.startswith("first stopped") for line in journal.read_text().splitlines())
