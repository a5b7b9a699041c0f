"""Settings: the variables, their table in the README, and what must fit together."""

import re
from pathlib import Path

import pytest

from kit.settings import SettingsError, variables
from mail.settings import Settings
from mail.tests.conftest import SEAL_KEY

README = Path(__file__).parents[1] / "README.md"
REQUIRED = {
    "MAIL_POSTGRES_PRIMARY_DSN": "postgresql://u:p@127.0.0.1:1/x",
    "MAIL_REDIS_MASTER_ADDR": "127.0.0.1:1",
    "MAIL_REDIS_PASSWORD": "p",
    "MAIL_SEAL_KEYS": SEAL_KEY,
    "MAIL_SMTP_HOST": "relay.test",
    "MAIL_SMTP_FROM": "Galaxy <galaxy@mail.test>",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_readme_lists_every_variable_as_it_is_declared():
    rows = re.findall(r"^\| `(MAIL_\w+)` \| (.*?) \| (.*?) \|$", README.read_text(), re.MULTILINE)
    assert rows == [(v.name, v.default, v.meaning) for v in variables(Settings)]


def test_names_and_defaults_are_the_designs(environment: pytest.MonkeyPatch):
    loaded = Settings.load()
    assert loaded.worker_interval.total_seconds() == 2
    assert loaded.max_attempts == 8
    assert loaded.delivery_commands_stream == "mail:delivery_commands"
    assert loaded.relay.envelope_from == "galaxy@mail.test"
    assert loaded.smtp_final_timeout.total_seconds() == 600, "RFC 5321, section 4.5.3.2.6"


@pytest.mark.parametrize(
    ("variables_", "said"),
    [
        ({"MAIL_REDIS_USERNAME": "x"}, "MAIL_REDIS_USERNAME: is retired"),
        ({"MAIL_SEAL_KEYS": "short"}, "MAIL_SEAL_KEYS: "),
        ({"MAIL_SMTP_FROM": "nobody"}, "MAIL_SMTP_FROM: is no sender"),
        ({"MAIL_LEASE": "1m"}, "MAIL_LEASE must exceed"),
        ({"MAIL_CODE_LEASE": "10s"}, "MAIL_CODE_LEASE must exceed"),
        ({"MAIL_SMTP_USERNAME": "u", "MAIL_SMTP_TLS_MODE": "none"}, "would send the password in clear"),
        ({"MAIL_SERVICE_TOKENS": "backend:short"}, "MAIL_SERVICE_TOKENS: wants caller:token"),
        ({"MAIL_OTEL_METRICS_EXPORTER": "prometheus"}, "serves no /metrics"),
        ({"MAIL_SMTP_TLS_MODE": "maybe"}, "MAIL_SMTP_TLS_MODE: "),
    ],
)
def test_what_does_not_fit_stops_the_start_with_a_sentence(
    environment: pytest.MonkeyPatch, variables_: dict[str, str], said: str
):
    """backend-runbook:53-54."""
    for name, value in variables_.items():
        environment.setenv(name, value)
    with pytest.raises(SettingsError, match=re.escape(said)):
        Settings.load()
