"""Fixtures of every package's tests: the session's PostgreSQL and Valkey, started on first use.

Set GALAXY_TEST_POSTGRES_DSN (a superuser's) and GALAXY_TEST_REDIS_URL to use servers that run already. What tests make
inside them (fresh databases, key prefixes) stands in `kit.testing`.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from deploy.embedded.testing import BreakablePostgres, BreakableValkey


@pytest.fixture(scope="session")
def postgres_admin_dsn() -> str:
    """Return a superuser's DSN of a PostgreSQL that tests may create databases in."""
    given = os.environ.get("GALAXY_TEST_POSTGRES_DSN")
    if given:
        return given
    from deploy.embedded.stores import session_stores

    return session_stores().postgres.dsn()


@pytest.fixture(scope="session")
def valkey_url() -> str:
    """Return `redis://:password@host:port/db` of a Redis that tests may write to under prefixes of their own."""
    given = os.environ.get("GALAXY_TEST_REDIS_URL")
    if given:
        return given
    from deploy.embedded.stores import session_stores

    return session_stores().valkey.url


@pytest.fixture
def breakable_postgres(tmp_path: Path) -> "Iterator[BreakablePostgres]":
    """Give a running PostgreSQL of this test's own, to crash and bring back."""
    from deploy.embedded.testing import breakable_postgres

    with breakable_postgres(tmp_path) as server:
        yield server


@pytest.fixture
def breakable_valkey(tmp_path: Path) -> "Iterator[BreakableValkey]":
    """Give a running Valkey of this test's own, with the launcher's append-only file: to crash, pause and bring back."""
    from deploy.embedded.testing import breakable_valkey

    with breakable_valkey(tmp_path) as server:
        yield server


@pytest.fixture(scope="session")
def docker_engine() -> None:
    """Demand a Docker Engine: skips where none answers, fails where GALAXY_REQUIRE_CONTAINERS=1."""
    from deploy.docker.testing import require_docker

    require_docker()


@pytest.fixture(scope="session")
def engine_image() -> str:
    """Return the name of the engine's image, built on first use; skips or fails as `docker_engine` does."""
    from deploy.docker.testing import built_engine_image

    return built_engine_image()
