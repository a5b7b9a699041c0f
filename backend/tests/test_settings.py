"""Settings: names, defaults, retired variables, and the README's table of them."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from backend.settings import BackendSettings
from kit.settings import SettingsError, variables

README = Path(__file__).parents[1] / "README.md"
KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
REQUIRED = {
    "BACKEND_POSTGRES_DSN": "postgresql://u:p@127.0.0.1:1/x?search_path=backend",
    "BACKEND_REDIS_MASTER_ADDR": "127.0.0.1:1",
    "BACKEND_REDIS_PASSWORD": "p",
    "BACKEND_SERVICE_TOKENS": "gateway:0123456789abcdef,notification:0123456789abcdef",
    "BACKEND_SEAL_KEYS": KEY,
    "BACKEND_AUTH_HASH_KEY": KEY,
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_readme_lists_every_variable_as_it_is_declared():
    rows = re.findall(r"^\| `(BACKEND_\w+)` \| (.*?) \| (.*?) \|$", README.read_text(), re.MULTILINE)
    assert rows == [(v.name, v.default, v.meaning) for v in variables(BackendSettings)]


def test_names_and_defaults_are_the_runbooks(environment: pytest.MonkeyPatch):
    """backend-runbook:51-52 BACKEND_POSTGRES_DSN. backend-runbook:93-96 mail lane. backend-runbook:114-117 intent lane.

    backend-runbook:129-130 the reconciler's interval.
    """
    loaded = BackendSettings.load()
    assert "search_path=backend" in loaded.postgres.dsn.get_secret_value()
    assert loaded.http.listen_addr == ":8090"
    assert loaded.grpc.push_listen_addr == ":8091"
    assert (loaded.mail.worker_interval, loaded.mail.max_attempts) == (timedelta(seconds=2), 8)
    assert (loaded.notification.worker_interval, loaded.notification.max_attempts) == (
        timedelta(seconds=5),
        8,
    )
    assert loaded.runtime.reconcile_interval == timedelta(seconds=60)
    assert loaded.runtime.image_pull_policy == "if_missing"
    assert loaded.stack_label == ""
    assert loaded.geoip.db_path is None
    assert (loaded.auth.codes_per_address_hour, loaded.auth.codes_per_ip_hour) == (3, 5)


@pytest.mark.parametrize("exporter", ["otlp", "none", "stdout"])
def test_exporters_are_a_closed_set(environment: pytest.MonkeyPatch, exporter: str):
    """backend-runbook:150-152 `otlp` (default), `none`, `stdout`, and for metrics also `prometheus`."""
    loaded = BackendSettings.load()
    assert (loaded.otel.traces_exporter, loaded.otel.metrics_exporter) == ("otlp", "otlp")
    environment.setenv("BACKEND_OTEL_TRACES_EXPORTER", exporter)
    environment.setenv("BACKEND_OTEL_METRICS_EXPORTER", "prometheus")
    loaded = BackendSettings.load()
    assert (loaded.otel.traces_exporter, loaded.otel.metrics_exporter) == (exporter, "prometheus")
    environment.setenv("BACKEND_OTEL_TRACES_EXPORTER", "prometheus")
    with pytest.raises(SettingsError, match="BACKEND_OTEL_TRACES_EXPORTER"):
        BackendSettings.load()


def test_each_missing_variable_is_named(environment: pytest.MonkeyPatch):
    for name in REQUIRED:
        environment.delenv(name)
    with pytest.raises(SettingsError) as refused:
        BackendSettings.load()
    for name in REQUIRED:
        assert f"{name}: is required and not set" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("BACKEND_SMTP_HOST", "MAIL_SMTP_HOST"),
        ("BACKEND_SMTP_TLS_MODE", "MAIL_SMTP_TLS_MODE"),
        ("BACKEND_NOTIFICATION_ADMIN_EMAIL", "NOTIFICATION_ADMIN_EMAIL"),
        ("BACKEND_REDIS_TLS_ENABLED", "remove it"),
        ("BACKEND_REDIS_USERNAME", "remove it"),
    ],
)
def test_a_variable_that_moved_stops_the_start_and_says_where_it_went(
    environment: pytest.MonkeyPatch, name: str, says: str
):
    """backend-runbook:53-54 SMTP moved. backend-runbook:120-122 the administrators' address moved."""
    environment.setenv(name, "x")
    with pytest.raises(SettingsError) as refused:
        BackendSettings.load()
    assert name in str(refused.value)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BACKEND_AUTH_HASH_KEY", "short"),
        ("BACKEND_SEAL_KEYS", "c2hvcnQ="),
        ("BACKEND_SERVICE_TOKENS", "gateway:short"),
        ("BACKEND_HTTP_LISTEN_ADDR", "8090"),
        ("BACKEND_MAIL_WORKER_INTERVAL", "soon"),
        ("BACKEND_MAIL_MAX_ATTEMPTS", "0"),
        ("BACKEND_RUNTIME_IMAGE_PULL_POLICY", "sometimes"),
        ("BACKEND_RUNTIME_ADAPTER", "swarm"),
        ("BACKEND_LOG_LEVEL", "loud"),
    ],
)
def test_a_malformed_value_is_named_and_not_repeated(environment: pytest.MonkeyPatch, name: str, value: str):
    environment.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        BackendSettings.load()
    assert name in str(refused.value)
    if name in {"BACKEND_AUTH_HASH_KEY", "BACKEND_SEAL_KEYS", "BACKEND_SERVICE_TOKENS"}:
        assert value not in str(refused.value).replace(name, "")


def test_the_first_operator_needs_login_and_password_together(environment: pytest.MonkeyPatch):
    environment.setenv("BACKEND_ADMIN_BOOTSTRAP_USER", "root")
    with pytest.raises(SettingsError, match="set together"):
        BackendSettings.load()
