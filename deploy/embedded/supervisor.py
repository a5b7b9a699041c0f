"""Keeps the service processes: starts them in order, hears when one is ready or gone, starts it again, stops all."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from deploy.embedded.child import Child, describe_exit
from deploy.embedded.errors import ChildFailedError
from deploy.embedded.logfile import LogFile
from deploy.embedded.ports import LOOPBACK
from deploy.embedded.spec import REPOSITORY, Addresses, ServiceSpec, Surroundings

RESTART_FIRST_SECONDS = 1.0
RESTART_MAX_SECONDS = 30.0
HEALTHY_AFTER_SECONDS = 60.0

# Of the caller's environment a service gets what programs in general need, never another service's variables.
_INHERITED = ("PATH", "HOME", "USER", "TMPDIR", "TZ", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR")
_INHERITED_PREFIXES = ("OTEL_", "PYTHON", "COVERAGE_")


class State(StrEnum):
    """Where a service stands."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting"
    """It ended unasked and will be started again after a pause."""


@dataclass
class Service:
    """One service under care."""

    spec: ServiceSpec
    log: LogFile
    ready_file: Path
    state: State = State.STOPPED
    child: Child | None = None
    restarts: int = 0
    pause_seconds: float = RESTART_FIRST_SECONDS
    next_start_at: float = 0.0
    bound: dict[str, str] = field(default_factory=dict)
    """Listener name → address at its last start; kept over restarts, since others hold these addresses."""


@dataclass(frozen=True)
class Died:
    """A service ended although nobody asked it to, or did not come back in time."""

    failure: ChildFailedError
    next_try_seconds: float


@dataclass(frozen=True)
class CameBack:
    """A service that had died is ready again."""

    name: str


class Supervisor:
    """Runs the processes of one stack. Not thread-safe: one thread starts, ticks and stops (see `Child`)."""

    def __init__(
        self,
        specs: Sequence[ServiceSpec],
        surroundings: Surroundings,
        *,
        ports: Mapping[str, int],
        run_folder: Path,
        log_folder: Path,
        inherited: Mapping[str, str],
        check: Callable[[], None] = lambda: None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """Take what `start` will need.

        `ports` maps `service.listener` to a port, 0 for any. `check` is called often while waiting and may raise to give
        up. `changed` is called after every change of a state or process.
        """
        self._surroundings = surroundings
        self._ports = ports
        self._inherited = inherited
        self._check = check
        self._changed = changed
        run_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.services = {
            spec.name: Service(
                spec, LogFile(log_folder / f"{spec.name}.log"), run_folder / f"{spec.name}.ready"
            )
            for spec in specs
        }

    @property
    def addresses(self) -> Addresses:
        """Return `service.listener` → address: as bound where that is known, else as it will be."""
        known = {name: f"{LOOPBACK}:{port}" for name, port in self._ports.items() if port}
        for service in self.services.values():
            known |= {f"{service.spec.name}.{listener}": addr for listener, addr in service.bound.items()}
        return known

    def start(self, name: str) -> None:
        """Start one service and wait until it is ready. Raises ChildFailedError; the process is then gone."""
        service = self.services[name]
        child = self._spawn(service)
        try:
            child.wait_until(
                service.ready_file.exists,
                check=self._check,
                timeout_seconds=service.spec.ready_timeout_seconds,
            )
        except BaseException:
            self._end(service)
            raise
        self._note_ready(service)

    def stop(self, name: str) -> bool:
        """Stop one service and wait. Return False when it had to be killed."""
        service = self.services[name]
        orderly = (
            service.child.stop(timeout_seconds=service.spec.stop_timeout_seconds) if service.child else True
        )
        self._end(service)
        return orderly

    def kill(self, name: str) -> None:
        """End one service with SIGKILL, as a crash would; it stays down until it is started."""
        self._end(self.services[name])

    def close(self) -> None:
        """Close the logs. Their tails stay readable."""
        for service in self.services.values():
            service.log.close()

    def tick(self) -> Iterator[Died | CameBack]:
        """Look after every service once, and yield what happened. Called a few times a second."""
        now = time.monotonic()
        for service in self.services.values():
            if service.state is State.WAITING and now >= service.next_start_at:
                self._spawn(service)
            elif service.state is State.STARTING and service.ready_file.exists():
                self._note_ready(service)
                yield CameBack(service.spec.name)
            elif service.state in {State.STARTING, State.READY}:
                sentence = self._complaint(service, now)
                if sentence is not None:
                    yield self._schedule_restart(service, sentence, now)

    def _complaint(self, service: Service, now: float) -> str | None:
        assert service.child is not None
        if service.child.exit_code is not None:
            return f"{service.spec.name} ended {describe_exit(service.child.exit_code)}."
        late = now - service.child.started_at > service.spec.ready_timeout_seconds
        if service.state is State.STARTING and late:
            return f"{service.spec.name} was not ready within {service.spec.ready_timeout_seconds:g} s."
        return None

    def _schedule_restart(self, service: Service, sentence: str, now: float) -> Died:
        assert service.child is not None
        if now - service.child.started_at > HEALTHY_AFTER_SECONDS:
            service.pause_seconds = RESTART_FIRST_SECONDS
        died = Died(service.child.failure(sentence), service.pause_seconds)
        self._end(service)
        service.state = State.WAITING
        service.restarts += 1
        service.next_start_at = now + service.pause_seconds
        service.pause_seconds = min(service.pause_seconds * 2, RESTART_MAX_SECONDS)
        return died

    def _spawn(self, service: Service) -> Child:
        service.ready_file.unlink(missing_ok=True)
        child = Child(
            service.spec.name,
            [*service.spec.command, "--ready-file", str(service.ready_file)],
            environment=self._environment(service),
            working_folder=REPOSITORY,
            log=service.log,
        )
        service.child, service.state = child, State.STARTING
        self._changed()
        return child

    def _environment(self, service: Service) -> dict[str, str]:
        spec = service.spec
        own = {
            name: value
            for name, value in self._inherited.items()
            if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
        }
        own |= {
            listener.variable: service.bound.get(listener.name)
            or f"{LOOPBACK}:{self._ports[f'{spec.name}.{listener.name}']}"
            for listener in spec.listeners
        }
        own |= spec.environment(self._surroundings, self.addresses)
        if spec.variable_prefix:
            own |= {
                name: value
                for name, value in self._inherited.items()
                if name.startswith(spec.variable_prefix)
            }
        return own

    def _note_ready(self, service: Service) -> None:
        said = json.loads(service.ready_file.read_bytes())
        service.bound = {name: str(value) for name, value in said.items() if name != "pid" and value}
        service.state = State.READY
        self._changed()

    def _end(self, service: Service) -> None:
        if service.child is not None:
            service.child.kill()
        service.child, service.state = None, State.STOPPED
        service.ready_file.unlink(missing_ok=True)
        self._changed()
