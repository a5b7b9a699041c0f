"""Settings: the variables, their table in the README, the operators' addresses."""

import re
from pathlib import Path

import pytest

from kit.settings import SettingsError, variables
from notification.catalog import AudienceKind, Catalog
from notification.settings import AdminSettings, Settings

README = Path(__file__).parents[1] / "README.md"
REQUIRED = {
    "NOTIFICATION_POSTGRES_PRIMARY_DSN": "postgresql://u:p@127.0.0.1:1/x",
    "NOTIFICATION_REDIS_MASTER_ADDR": "127.0.0.1:1",
    "NOTIFICATION_REDIS_PASSWORD": "p",
    "NOTIFICATION_USER_SERVICE_BASE_URL": "http://127.0.0.1:8090/",
    "NOTIFICATION_BACKEND_TOKEN": "t",
    "NOTIFICATION_PUBLIC_BASE_URL": "https://galaxy.test/",
    "NOTIFICATION_ADDRESS_HASH_KEY": "0123456789abcdef",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_readme_lists_every_variable_as_it_is_declared():
    rows = re.findall(r"^\| `(NOTIFICATION_\w+)` \| (.*?) \| (.*?) \|$", README.read_text(), re.MULTILINE)
    assert rows == [(v.name, v.default, v.meaning) for v in variables(Settings)]


def test_names_and_defaults_are_the_runbooks(environment: pytest.MonkeyPatch):
    """notification-runbook:6 notification-runbook:14 notification-runbook:17 notification-runbook:19
    notification-runbook:21 notification-runbook:63 backend-runbook:116 backend-runbook:117
    notification-runbook:96.
    """
    loaded = Settings.load()
    assert loaded.gateway_client_events_stream == "gateway:client-events"
    assert loaded.mail_delivery_commands_stream == "mail:delivery_commands"
    assert loaded.intents_stream == "notification:intents"
    assert loaded.route.worker_interval.total_seconds() == 5
    assert loaded.route.max_attempts == 8
    assert loaded.user_service_base_url == "http://127.0.0.1:8090"
    environment.setenv("NOTIFICATION_SHUTDOWN_TIMEOUT", "3s")
    assert Settings.load().shutdown_timeout.total_seconds() == 3


@pytest.mark.parametrize("retired", ["NOTIFICATION_REDIS_USERNAME", "NOTIFICATION_REDIS_TLS_ENABLED"])
def test_retired_variables_stop_the_start(environment: pytest.MonkeyPatch, retired: str):
    """notification-runbook:12 notification-runbook:13"""
    environment.setenv(retired, "")
    with pytest.raises(SettingsError, match=f"{retired}: is retired"):
        Settings.load()


def test_every_admin_type_has_a_variable_of_its_own():
    """notification-runbook:23 notification-runbook:24 notification-runbook:120"""
    catalog = Catalog()
    kinds = [catalog.find(name) for name in catalog.names()]
    admin = [kind.name for kind in kinds if kind is not None and kind.audience is AudienceKind.ADMIN]
    names = {variable.name for variable in variables(Settings)}
    assert {f"NOTIFICATION_ADMIN_EMAIL_{name.upper().replace('.', '_')}" for name in admin} <= names
    own = AdminSettings.model_validate(
        {
            "email": "all@x.test",
            **{f"email_{name.replace('.', '_')}": f"{n}@x.test" for n, name in enumerate(admin)},
        }
    )
    assert [own.addresses_for(name) for name in admin] == [(f"{n}@x.test",) for n in range(len(admin))]
    assert AdminSettings.model_validate({"email": "all@x.test"}).addresses_for(admin[0]) == ("all@x.test",)


@pytest.mark.parametrize(
    "text", ["Ops <ops@x.test>", "ops", "a@b@c", "ops@x.test; more@x.test", "a b@x.test"]
)
def test_operators_addresses_are_bare_ones(environment: pytest.MonkeyPatch, text: str):
    """notification-runbook:121 notification-runbook:122"""
    environment.setenv("NOTIFICATION_ADMIN_EMAIL_RUNTIME_TURN_FAILED", text)
    with pytest.raises(
        SettingsError, match="NOTIFICATION_ADMIN_EMAIL_RUNTIME_TURN_FAILED: wants bare addresses"
    ):
        Settings.load()


def test_operators_addresses_are_normalised_and_single(environment: pytest.MonkeyPatch):
    environment.setenv("NOTIFICATION_ADMIN_EMAIL", "ops@X.Test, ops@x.test,two@x.test")
    assert Settings.load().admin.email == ("ops@x.test", "two@x.test")
