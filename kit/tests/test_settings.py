"""Settings: read once, told by full names, values never repeated."""

from datetime import timedelta
from typing import Literal

import pytest
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from kit.duration import Duration
from kit.redis_pool import RedisSettings, retired_redis_variables
from kit.settings import (
    CommaList,
    Group,
    ListenAddr,
    ServiceSettings,
    ServiceTokens,
    SettingsError,
    variables,
)


class WorkerGroup(Group):
    """A nested group."""

    interval: Duration = Field(timedelta(seconds=2), description="how often")
    batch: int = Field(100, ge=1, description="how many")


class Settings(ServiceSettings):
    """A service's settings."""

    model_config = SettingsConfigDict(env_prefix="PROBE_")
    retired = {**retired_redis_variables("PROBE_"), "PROBE_OLD": "moved to PROBE_NEW"}  # noqa: RUF012

    dsn: SecretStr = Field(description="where")
    listen_addr: ListenAddr = Field(":8080", description="listener")
    redis: RedisSettings
    worker: WorkerGroup = WorkerGroup()
    names: CommaList = Field((), description="names")
    tokens: ServiceTokens = Field((), description="callers")
    level: Literal["info", "debug"] = Field("info", description="level")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("PROBE_DSN", "postgresql://u:geheim@h/d")
    monkeypatch.setenv("PROBE_REDIS_MASTER_ADDR", "127.0.0.1:6379")
    monkeypatch.setenv("PROBE_REDIS_PASSWORD", "geheim")
    return monkeypatch


def test_nested_groups_are_read_by_their_full_names(environment: pytest.MonkeyPatch):
    environment.setenv("PROBE_WORKER_INTERVAL", "1m30s")
    environment.setenv("PROBE_REDIS_KEY_PREFIX", "test:")
    environment.setenv("PROBE_NAMES", "a, b,,c")
    environment.setenv("PROBE_TOKENS", "gateway:0123456789abcdef,gateway:fedcba9876543210")
    loaded = Settings.load()
    assert loaded.worker.interval == timedelta(seconds=90)
    assert loaded.redis.key("stream") == "test:stream"
    assert loaded.names == ("a", "b", "c")
    assert [caller for caller, _ in loaded.tokens] == ["gateway", "gateway"]
    assert "geheim" not in repr(loaded)


def test_an_empty_variable_is_as_good_as_none(environment: pytest.MonkeyPatch):
    environment.setenv("PROBE_LEVEL", "")
    assert Settings.load().level == "info"


def test_every_missing_variable_is_named_at_once(monkeypatch: pytest.MonkeyPatch):
    for name in ("PROBE_DSN", "PROBE_REDIS_MASTER_ADDR", "PROBE_REDIS_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert str(caught.value).splitlines() == [
        "PROBE_DSN: is required and not set",
        "PROBE_REDIS_MASTER_ADDR: is required and not set",
        "PROBE_REDIS_PASSWORD: is required and not set",
    ]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("PROBE_LISTEN_ADDR", "8080", "PROBE_LISTEN_ADDR: is no listen address"),
        ("PROBE_LISTEN_ADDR", ":99999", "PROBE_LISTEN_ADDR: is no listen address"),
        ("PROBE_WORKER_INTERVAL", "2", "PROBE_WORKER_INTERVAL: '2' is no duration"),
        ("PROBE_WORKER_BATCH", "0", "PROBE_WORKER_BATCH: Input should be greater"),
        ("PROBE_WORKER_BACTH", "5", "PROBE_WORKER_BACTH: is no variable of this service"),
        ("PROBE_TOKENS", "gateway:geheim", "PROBE_TOKENS: wants caller:token pairs"),
        ("PROBE_LEVEL", "loud", "PROBE_LEVEL: Input should be 'info' or 'debug'"),
        ("PROBE_OLD", "", "PROBE_OLD: moved to PROBE_NEW"),
        ("PROBE_REDIS_USERNAME", "x", "PROBE_REDIS_USERNAME: is retired"),
        ("PROBE_REDIS_TLS_ENABLED", "x", "PROBE_REDIS_TLS_ENABLED: is retired"),
    ],
)
def test_what_is_wrong_is_told_by_its_full_name_and_without_its_value(
    environment: pytest.MonkeyPatch, name: str, value: str, sentence: str
):
    environment.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert str(caught.value).startswith(sentence)
    assert "geheim" not in str(caught.value)


def test_building_reads_nothing_but_its_arguments(environment: pytest.MonkeyPatch):
    environment.setenv("PROBE_LEVEL", "debug")
    redis = RedisSettings(master_addr="h:1", password=SecretStr("p"))
    assert Settings(dsn=SecretStr("d"), redis=redis).level == "info"


def test_settings_are_frozen():
    """notification-runbook:123."""
    with pytest.raises(ValidationError):
        WorkerGroup().batch = 5  # type: ignore[misc]


def test_variables_are_listed_in_order_with_defaults_as_people_write_them():
    rows = [(v.name, v.default) for v in variables(Settings)]
    assert rows == [
        ("PROBE_DSN", "required"),
        ("PROBE_LISTEN_ADDR", ":8080"),
        ("PROBE_REDIS_MASTER_ADDR", "required"),
        ("PROBE_REDIS_PASSWORD", "required"),
        ("PROBE_REDIS_REPLICA_ADDRS", "empty"),
        ("PROBE_REDIS_DB", "0"),
        ("PROBE_REDIS_KEY_PREFIX", "empty"),
        ("PROBE_REDIS_OPERATION_TIMEOUT", "2s"),
        ("PROBE_WORKER_INTERVAL", "2s"),
        ("PROBE_WORKER_BATCH", "100"),
        ("PROBE_NAMES", "empty"),
        ("PROBE_TOKENS", "empty"),
        ("PROBE_LEVEL", "info"),
    ]
