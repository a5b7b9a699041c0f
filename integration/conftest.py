"""Stacks for the scenarios, and their logs when one fails."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.embedded.stack import Stack, isolated_stack
from integration.containers import docker_variables, remove_engines
from integration.stock_clients.browser import chromium

LOG_LINES = 80


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, postgres_admin_dsn: str, valkey_url: str
) -> Iterator[Stack]:
    """Give a whole stack with engines as child processes, shared by the tests of one file."""
    folder = tmp_path_factory.mktemp("stack")
    with isolated_stack(folder, admin_dsn=postgres_admin_dsn, redis_url=valkey_url) as running:
        yield running


@pytest.fixture
def own_stack(tmp_path: Path, postgres_admin_dsn: str, valkey_url: str) -> Iterator[Stack]:
    """Give a whole stack to one test alone, for whoever breaks something."""
    with isolated_stack(tmp_path / "stack", admin_dsn=postgres_admin_dsn, redis_url=valkey_url) as running:
        yield running


@pytest.fixture(
    scope="module",
    params=["process", pytest.param("docker", marks=pytest.mark.containers)],
)
def stack_on(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgres_admin_dsn: str,
    valkey_url: str,
) -> Iterator[Stack]:
    """Give a whole stack, once with engines as child processes and once with engines in containers."""
    folder = tmp_path_factory.mktemp("stack")
    variables: dict[str, str] = {}
    label = f"test-{secrets.token_hex(4)}"
    if request.param == "docker":
        variables = docker_variables(request.getfixturevalue("engine_image"), label)
    try:
        with isolated_stack(
            folder, admin_dsn=postgres_admin_dsn, redis_url=valkey_url, variables=variables
        ) as running:
            yield running
    finally:
        if variables:
            remove_engines(label)


@pytest.fixture(scope="session")
def installed_chromium() -> None:
    """Demand a Chromium: skips where none is installed, fails where GALAXY_REQUIRE_BROWSER=1."""
    if chromium() is None:
        refuse = pytest.fail if os.environ.get("GALAXY_REQUIRE_BROWSER") == "1" else pytest.skip
        refuse("no Chromium is installed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Put the last lines of every service under the report of a failed scenario."""
    report = yield
    if report.failed:
        for running in getattr(item, "funcargs", {}).values():
            if isinstance(running, Stack):
                for name, service in running.supervisor.services.items():
                    report.sections.append((f"log of {name}", "\n".join(service.log.tail(LOG_LINES))))
    return report
