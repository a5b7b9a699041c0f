"""How every service logs; each in a process of its own, since logging is a matter of the whole process."""

import json
import subprocess
import sys


def events_of(script: str):
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_logger_made_before_the_logs_were_configured_writes_json_too():
    """backend-runbook:156."""
    [event] = events_of("""
from kit.logs import configure_logs, get_logger
log = get_logger("early")
configure_logs("mail")
log.info("something_happened", delivery_id="d-1")
""")
    assert (event["event"], event["component"], event["service"]) == ("something_happened", "early", "mail")
    assert event["delivery_id"] == "d-1"


def test_library_records_leave_in_the_same_form_as_ours():
    """backend-runbook:156."""
    theirs, ours = events_of("""
import logging
from kit.logs import configure_logs, get_logger
configure_logs("mail")
logging.getLogger("some.library").warning("odd")
get_logger("part").warning("odd_too")
""")
    assert (theirs["event"], theirs["level"], theirs["service"]) == ("odd", "warning", "mail")
    assert theirs.keys() - ours.keys() == set()
    assert (ours["event"], ours["level"], ours["component"]) == ("odd_too", "warning", "part")


def test_an_exception_shows_where_it_happened_and_no_variables():
    [event] = events_of("""
from kit.logs import configure_logs, get_logger
configure_logs("mail")
def fails(token):
    raise ValueError("broken")
try:
    fails("-".join(["very", "secret"]))
except ValueError:
    get_logger("part").exception("it_broke")
""")
    assert "very-secret" not in json.dumps(event)
    assert event["exception"][0]["exc_value"] == "broken"
    assert event["exception"][0]["frames"][-1]["name"] == "fails"


def test_a_terminal_is_shown_no_variables_either():
    script = """
import io
from kit.logs import configure_logs, get_logger
class Terminal(io.StringIO):
    def isatty(self):
        return True
shown = Terminal()
configure_logs("mail", stream=shown)
def fails(token):
    raise ValueError("broken")
try:
    fails("-".join(["very", "secret"]))
except ValueError:
    get_logger("part").exception("it_broke")
print("broken" in shown.getvalue(), "very-secret" in shown.getvalue())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
