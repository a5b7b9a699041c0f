"""What the launcher tells each service is what that service knows, and all that it needs."""

import importlib

import pytest

from deploy.embedded.credentials import ensure_credentials
from deploy.embedded.environment import BACKEND, GATEWAY, MAIL, NOTIFICATION, platform_services
from deploy.embedded.spec import Surroundings
from kit.settings import ServiceSettings, variables

ADDRESSES = {
    f"{spec.name}.{at.name}": f"127.0.0.1:{at.port}" for spec in platform_services() for at in spec.listeners
}


def surroundings(folder, public_url=None) -> Surroundings:
    return Surroundings(
        folder=folder,
        credentials=ensure_credentials(folder / "secrets"),
        redis_addr="127.0.0.1:6379",
        redis_password="a password",
        redis_key_prefix="",
        public_url=public_url,
        postgres_dsn=lambda schema: f"postgresql://{schema}@127.0.0.1/galaxy?search_path={schema}",
    )


@pytest.mark.parametrize("public_url", [None, "https://play.example"])
@pytest.mark.parametrize("spec", [MAIL, BACKEND, NOTIFICATION, GATEWAY], ids=lambda spec: spec.name)
def test_every_variable_is_known_and_none_that_is_required_is_missing(
    spec, public_url, tmp_path, monkeypatch
):
    module = importlib.import_module(f"{spec.name}.settings")
    settings = next(
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, ServiceSettings) and value is not ServiceSettings
    )
    given = dict(spec.environment(surroundings(tmp_path, public_url), ADDRESSES))
    given |= {at.variable: ADDRESSES[f"{spec.name}.{at.name}"] for at in spec.listeners}
    assert not given.keys() - {variable.name for variable in variables(settings)}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings.load()  # names every variable that is missing or malformed


def test_a_stack_that_players_reach_keeps_its_limits_and_believes_its_proxy(tmp_path):
    alone, public = surroundings(tmp_path), surroundings(tmp_path, "https://play.example")
    assert BACKEND.environment(alone, ADDRESSES)["BACKEND_AUTH_CODES_PER_IP_HOUR"] == "1000"
    assert BACKEND.environment(alone, ADDRESSES)["BACKEND_LOBBY_TURN_PERIOD_MIN"] == "1s"
    assert (
        BACKEND.environment(public, ADDRESSES)
        .keys()
        .isdisjoint({"BACKEND_AUTH_CODES_PER_IP_HOUR", "BACKEND_LOBBY_TURN_PERIOD_MIN"})
    )
    assert "GATEWAY_TRUSTED_PROXIES" not in GATEWAY.environment(alone, ADDRESSES)
    assert "127.0.0.1/32" in GATEWAY.environment(public, ADDRESSES)["GATEWAY_TRUSTED_PROXIES"]
    assert BACKEND.environment(public, ADDRESSES)["BACKEND_PUBLIC_BASE_URL"] == "https://play.example"
