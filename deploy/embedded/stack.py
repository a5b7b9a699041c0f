"""A stack for tests: the services over stores that others may share, in a folder and on ports of their own.

    with isolated_stack(tmp_path, admin_dsn=postgres_admin_dsn, redis_url=valkey_url) as stack:
        httpx.get(stack.url("gateway.public") + "/healthz")
        stack.kill("backend")
        stack.start("backend")          # on the same addresses as before

It blocks while it starts and stops, and nothing restarts by itself: what a test kills stays down until it says so. On the
way out with an exception the last lines of every service are printed, so that pytest shows them.
"""

import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from deploy.embedded.credentials import Credentials, ensure_credentials
from deploy.embedded.environment import platform_services
from deploy.embedded.ports import candidates
from deploy.embedded.provision import drop_database, provision_database, write_geoip_fixture
from deploy.embedded.spec import ServiceSpec, Surroundings
from deploy.embedded.supervisor import Supervisor

SCHEMAS = ("backend", "notification", "mail")
_LAST_LINES = 60


def logins(credentials: Credentials, suffix: str = "") -> dict[str, tuple[str, str]]:
    """Return schema → (login role, password), one for each service with tables."""
    return {schema: (schema + suffix, credentials[f"postgres_{schema}"]) for schema in SCHEMAS}


def service_dsn(admin_dsn: str, database: str, login: tuple[str, str], schema: str) -> str:
    """Return the DSN under which a service reaches its own schema."""
    place = urlsplit(admin_dsn)
    user, password = login
    return f"postgresql://{user}:{password}@{place.hostname}:{place.port or 5432}/{database}?search_path={schema}"


@dataclass(frozen=True)
class Stack:
    """A running isolated stack."""

    folder: Path
    supervisor: Supervisor
    surroundings: Surroundings
    admin_dsn: str
    """A superuser's DSN of this stack's own database."""
    redis_url: str
    _inherited: dict[str, str]

    def set_variable(self, name: str, value: str | None) -> None:
        """Set or (None) unset an environment variable of a service; it counts from that service's next start."""
        if value is None:
            self._inherited.pop(name, None)
        else:
            self._inherited[name] = value

    @property
    def credentials(self) -> Credentials:
        """Return the secrets of this stack (tokens, operator password, signer key)."""
        return self.surroundings.credentials

    @property
    def redis_key_prefix(self) -> str:
        """Return what stands before every key and stream name of this stack."""
        return self.surroundings.redis_key_prefix

    def address(self, listener: str) -> str:
        """Return `host:port` of a listener, such as `gateway.public`."""
        return self.supervisor.addresses[listener]

    def url(self, listener: str) -> str:
        """Return the `http://` URL of a listener, without a slash at its end."""
        return f"http://{self.address(listener)}"

    def pid(self, service: str) -> int:
        """Return the process id of a running service."""
        child = self.supervisor.services[service].child
        assert child is not None, f"{service} does not run"
        return child.pid

    def start(self, service: str) -> None:
        """Start a service that was stopped or killed, on its former addresses, and wait until it is ready."""
        self.supervisor.start(service)

    def stop(self, service: str) -> bool:
        """Stop a service with SIGTERM and wait; False when it had to be killed."""
        return self.supervisor.stop(service)

    def kill(self, service: str) -> None:
        """End a service with SIGKILL."""
        self.supervisor.kill(service)

    def log_text(self, service: str) -> str:
        """Return all that a service has written so far."""
        return self.supervisor.services[service].log.path.read_text("utf-8", "replace")


@contextmanager
def isolated_stack(
    folder: Path,
    *,
    admin_dsn: str,
    redis_url: str,
    specs: Sequence[ServiceSpec] | None = None,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Stack]:
    """Make a database, logins and a key prefix of its own, start the services in order, and clear all of it afterwards.

    `variables` are environment variables of the services (full names), which win over the defaults. Raises
    ChildFailedError when a service does not start.
    """
    chosen = tuple(platform_services() if specs is None else specs)
    suffix = "_" + secrets.token_hex(5)
    database = f"galaxy{suffix}"
    credentials = ensure_credentials(folder / "secrets")
    roles = logins(credentials, suffix)
    write_geoip_fixture(folder / "geoip.mmdb")
    redis = urlsplit(redis_url)
    surroundings = Surroundings(
        folder=folder,
        credentials=credentials,
        redis_addr=f"{redis.hostname}:{redis.port}",
        redis_password=redis.password or "",
        redis_key_prefix=f"stack{suffix}:",
        public_url=None,
        postgres_dsn=lambda schema: service_dsn(admin_dsn, database, roles[schema], schema),
    )
    inherited = {**os.environ, **(variables or {})}
    provision_database(admin_dsn, database, roles)
    supervisor = Supervisor(
        chosen,
        surroundings,
        ports=_ports(chosen),
        run_folder=folder / "run",
        log_folder=folder / "logs",
        inherited=inherited,
    )
    own_admin_dsn = f"{admin_dsn.rpartition('/')[0]}/{database}"
    try:
        for spec in chosen:
            supervisor.start(spec.name)
        yield Stack(folder, supervisor, surroundings, own_admin_dsn, redis_url, inherited)
    except BaseException:
        _print_logs(supervisor)
        raise
    finally:
        for spec in reversed(chosen):
            supervisor.stop(spec.name)
        supervisor.close()
        drop_database(admin_dsn, database, roles)


def _ports(specs: Sequence[ServiceSpec]) -> dict[str, int]:
    """Any port for each listener, but a chosen one for the gateway's public door: links to it are needed before it is up."""
    ports = {f"{spec.name}.{listener.name}": 0 for spec in specs for listener in spec.listeners}
    if "gateway.public" in ports:
        ports["gateway.public"] = next(candidates())
    return ports


def _print_logs(supervisor: Supervisor) -> None:
    for name, service in supervisor.services.items():
        sys.stderr.write(f"\n--- last lines of {name} ---\n")
        sys.stderr.write("\n".join(service.log.tail(_LAST_LINES)) + "\n")
