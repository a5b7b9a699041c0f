"""What the supervisor must know of a process: how it is started, where it listens, what it is told."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.embedded.credentials import Credentials

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Listener:
    """An address a process listens on: its name in the ready file, the variable that sets it, its usual port."""

    name: str
    variable: str
    port: int


@dataclass(frozen=True)
class Surroundings:
    """What stands around the services of one stack when their environment is made."""

    folder: Path
    credentials: Credentials
    redis_addr: str
    redis_password: str
    redis_key_prefix: str
    public_url: str | None
    """Where players reach the gateway when that is not its own address."""
    postgres_dsn: Callable[[str], str]
    """Service name → the DSN of its own login."""


Addresses = Mapping[str, str]
"""`service.listener` → `host:port`, of everything that is already known."""


@dataclass(frozen=True)
class ServiceSpec:
    """One service process. Its command is given `--ready-file PATH` and counts as ready once that file is there."""

    name: str
    command: tuple[str, ...]
    listeners: tuple[Listener, ...] = ()
    environment: Callable[[Surroundings, Addresses], Mapping[str, str]] = lambda _around, _addresses: {}
    variable_prefix: str = ""
    """The caller's own variables that start with it are handed on and win over `environment`; empty: none are."""
    ready_timeout_seconds: float = 60
    stop_timeout_seconds: float = 20


def python_module(name: str) -> tuple[str, ...]:
    """Return the command that runs one of our packages with this Python."""
    return (sys.executable, "-m", name)
