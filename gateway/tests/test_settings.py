"""Variables: read once, refused with a sentence, and all in the README."""

import re
from pathlib import Path

import pytest

from gateway.settings import Settings
from kit.settings import SettingsError, variables

ENOUGH = {
    "GATEWAY_REDIS_MASTER_ADDR": "127.0.0.1:6379",
    "GATEWAY_REDIS_PASSWORD": "secret",
    "GATEWAY_RESPONSE_SIGNER_PRIVATE_KEY_PEM_PATH": "/run/signer.pem",
}


def load(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in (ENOUGH | environment).items():
        monkeypatch.setenv(name, value)
    return Settings.load()


def test_the_readme_lists_every_variable_with_its_default():
    page = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(GATEWAY_[A-Z_]+)` \| (.*?) \| (.*?) \|$", page, re.MULTILINE)
    assert rows == [(v.name, v.default, v.meaning) for v in variables(Settings)]


def test_defaults_are_those_of_the_runbook(monkeypatch: pytest.MonkeyPatch):
    """gateway-runbook-latest:40 public on :8080; gateway-runbook-latest:42 edge on :9090.

    gateway-runbook-latest:43, gateway-runbook-redis-streams:9, gateway-runbook-redis-streams:10.
    """
    settings = load(monkeypatch)
    assert settings.public_http_addr == ":8080"
    assert settings.authenticated_grpc_addr == ":9090"
    assert settings.admin_http_addr == ""
    assert settings.client_events_redis_stream == "gateway:client-events"
    assert settings.session_events_redis_stream == ""


def test_what_the_runbook_names_is_read(monkeypatch: pytest.MonkeyPatch):
    """gateway-runbook-latest:17-24 Redis and the backend; gateway-runbook-latest:27; gateway-runbook-redis-streams:5-6.

    gateway-runbook-latest:18-20, gateway-runbook-redis-streams:6, gateway-runbook-latest:69-71,
    gateway-runbook-redis-streams:30.
    """
    settings = load(
        monkeypatch,
        GATEWAY_REDIS_DB="3",
        GATEWAY_REDIS_KEY_PREFIX="stack-a:",
        GATEWAY_REDIS_REPLICA_ADDRS="10.0.0.2:6379,10.0.0.3:6379",
        GATEWAY_BACKEND_HTTP_URL="http://backend:8090",
        GATEWAY_BACKEND_GRPC_PUSH_URL="backend:8091",
        GATEWAY_BACKEND_GATEWAY_CLIENT_ID="gateway-0",
        GATEWAY_BACKEND_TOKEN="a-service-token-0123",
        GATEWAY_SESSION_EVENTS_REDIS_STREAM="gateway:session-events",
        GATEWAY_CLIENT_EVENTS_REDIS_STREAM="events",
        GATEWAY_SHUTDOWN_TIMEOUT="3s",
        GATEWAY_OTEL_METRICS_EXPORTER="none",
    )
    assert settings.redis.replica_addrs == ("10.0.0.2:6379", "10.0.0.3:6379")
    assert (settings.redis.db, settings.redis.key("x")) == (3, "stack-a:x")
    assert settings.backend.http_url == "http://backend:8090"
    assert settings.backend.gateway_client_id == "gateway-0"
    assert settings.client_events_redis_stream == "events"
    assert settings.shutdown_timeout.total_seconds() == 3


def test_backend_and_redis_are_the_only_neighbours_besides_collectors():
    """gateway-runtime:34-39

    Collectors are reached by OpenTelemetry's own variables; here it only says which exporters are on.
    """
    names = {variable.name for variable in variables(Settings)}
    own_listeners = {"GATEWAY_PUBLIC_HTTP_ADDR", "GATEWAY_AUTHENTICATED_GRPC_ADDR", "GATEWAY_ADMIN_HTTP_ADDR"}
    addresses = {name for name in names if re.search(r"_(ADDR|ADDRS|URL|URLS|DSN|HOST|ENDPOINT)$", name)}
    assert addresses - own_listeners == {
        "GATEWAY_BACKEND_HTTP_URL",
        "GATEWAY_BACKEND_GRPC_PUSH_URL",
        "GATEWAY_REDIS_MASTER_ADDR",
        "GATEWAY_REDIS_REPLICA_ADDRS",
    }
    exporters = {name for name in names if name.startswith("GATEWAY_OTEL_")}
    assert exporters == {"GATEWAY_OTEL_TRACES_EXPORTER", "GATEWAY_OTEL_METRICS_EXPORTER"}


@pytest.mark.parametrize("name", ["GATEWAY_REDIS_TLS_ENABLED", "GATEWAY_REDIS_USERNAME"])
def test_retired_variables_stop_the_start_with_a_sentence(monkeypatch: pytest.MonkeyPatch, name: str):
    """gateway-runbook-latest:30 and gateway-runbook-redis-streams:8."""
    with pytest.raises(SettingsError, match=f"{name}: is retired"):
        load(monkeypatch, **{name: "x"})


@pytest.mark.parametrize(
    "url", ["backend:8090", "ftp://backend", "http://", "http://h:99999", "http://h?x=1"]
)
def test_a_malformed_backend_address_stops_the_start(monkeypatch: pytest.MonkeyPatch, url: str):
    """gateway-runbook-latest:37 and gateway-runtime:42."""
    with pytest.raises(SettingsError, match="GATEWAY_BACKEND_HTTP_URL"):
        load(monkeypatch, GATEWAY_BACKEND_HTTP_URL=url, GATEWAY_BACKEND_TOKEN="a-service-token-0123")


@pytest.mark.parametrize("target", ["backend", "http://backend:8091", "backend:0", ":8091"])
def test_a_malformed_push_address_stops_the_start(monkeypatch: pytest.MonkeyPatch, target: str):
    with pytest.raises(SettingsError, match="GATEWAY_BACKEND_GRPC_PUSH_URL"):
        load(
            monkeypatch,
            GATEWAY_BACKEND_GRPC_PUSH_URL=target,
            GATEWAY_BACKEND_GATEWAY_CLIENT_ID="g",
            GATEWAY_BACKEND_TOKEN="a-service-token-0123",
        )


def test_an_address_without_its_token_or_name_is_incomplete(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(SettingsError, match="GATEWAY_BACKEND_TOKEN is required"):
        load(monkeypatch, GATEWAY_BACKEND_HTTP_URL="http://backend:8090")
    monkeypatch.delenv("GATEWAY_BACKEND_HTTP_URL")
    with pytest.raises(SettingsError, match="GATEWAY_BACKEND_GATEWAY_CLIENT_ID is required"):
        load(
            monkeypatch,
            GATEWAY_BACKEND_GRPC_PUSH_URL="backend:8091",
            GATEWAY_BACKEND_TOKEN="a-service-token-0123",
        )


def test_the_password_is_mandatory(monkeypatch: pytest.MonkeyPatch):
    """gateway-runbook-latest:29 Redis is protected by a password."""
    for name, value in ENOUGH.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GATEWAY_REDIS_PASSWORD")
    with pytest.raises(SettingsError, match="GATEWAY_REDIS_PASSWORD: is required"):
        Settings.load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEWAY_FRESHNESS_WINDOW", "301s"),
        ("GATEWAY_FRESHNESS_WINDOW", "0s"),
        ("GATEWAY_TRUSTED_PROXIES", "proxy.example.org"),
        ("GATEWAY_ADMIN_HTTP_ADDR", "nine"),
        ("GATEWAY_EDGE_SERVER", "apache"),
    ],
)
def test_values_out_of_bounds_are_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str):
    with pytest.raises(SettingsError, match=name):
        load(monkeypatch, **{name: value})
