"""`make up`: the stores and the services on one data folder, from nothing to ready, and all the way down again."""

import errno
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import psutil

from deploy.embedded.child import Child
from deploy.embedded.credentials import Credentials, ensure_credentials
from deploy.embedded.environment import OPERATOR_LOGIN, public_base_url
from deploy.embedded.errors import DiskFullError, StackError
from deploy.embedded.folder import DataFolder
from deploy.embedded.memory import memory_of_all, memory_of_one
from deploy.embedded.own_stores import OwnStores
from deploy.embedded.preflight import choose_ports, require_free, require_space
from deploy.embedded.progress import Progress, Summary
from deploy.embedded.provision import close_maintenance_databases, provision_database, write_geoip_fixture
from deploy.embedded.spec import ServiceSpec, Surroundings
from deploy.embedded.stack import logins, service_dsn
from deploy.embedded.supervisor import Died, Supervisor

DATABASE = "galaxy"
FREE_BYTES_MIN = 256 * 1024 * 1024
_LOW_DISK_BYTES = 64 * 1024 * 1024
_TICK_SECONDS = 0.2
_DISK_LOOK_SECONDS = 5.0
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(StackError):
    """Somebody pressed Ctrl-C, or sent SIGTERM."""


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    data_folder: Path
    public_url: str | None = None
    ports: Mapping[str, int] = field(default_factory=dict)
    """`service.listener` → port, where it is not the usual one; 0 for any."""
    ephemeral: bool = False
    """Take any port for everything that `ports` does not name."""
    free_bytes_min: int = FREE_BYTES_MIN


class Launcher:
    """One run of the embedded stack. `run` is called once, on the main thread."""

    def __init__(
        self,
        options: Options,
        specs: Sequence[ServiceSpec],
        progress: Progress,
        environment: Mapping[str, str],
    ) -> None:
        self._options = options
        self._specs = specs
        self._progress = progress
        self._environment = environment
        self._folder = DataFolder(options.data_folder)
        self._began = time.monotonic()
        self._stop_wishes = 0
        self._stopping = False
        self._ready = False
        self._stores: OwnStores | None = None
        self._supervisor: Supervisor | None = None

    def run(self) -> int:
        """Bring everything up, keep it up until a signal, bring it down. Return the exit code of the command."""
        handlers = {number: signal.signal(number, self._hear) for number in _STOP_SIGNALS}
        try:
            self._progress.title("Galaxy")
            try:
                self._folder.claim()
            except (StackError, OSError) as error:
                self._progress.error(self._as_sentence(error))
                return 1
            try:
                return self._work()
            finally:
                self._down()
                self._folder.release_lock()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _work(self) -> int:
        try:
            self._up()
            self._keep()
        except StopRequested:
            return 0
        except (StackError, OSError) as error:
            self._progress.error(self._as_sentence(error))
            return 1

    def _up(self) -> None:
        options = self._options
        ports = choose_ports(self._specs, options.ports, ephemeral=options.ephemeral)
        require_free(ports)
        require_space(self._folder.path, options.free_bytes_min)
        credentials = ensure_credentials(self._folder.secrets)
        stores = self._stores = OwnStores(self._folder, credentials, self._check)
        stores.start(self._progress, self._remember)
        surroundings = self._surroundings(stores, credentials)
        with self._progress.step("Preparing logins and schemas", "logins and schemas are prepared"):
            self._provision(stores, credentials)
        supervisor = self._supervisor = Supervisor(
            self._specs,
            surroundings,
            ports=ports,
            run_folder=self._folder.run,
            log_folder=self._folder.logs,
            inherited=self._environment,
            check=self._check,
            changed=self._remember,
        )
        for spec in self._specs:
            with self._progress.step(f"Starting {spec.name}", f"{spec.name} is ready"):
                supervisor.start(spec.name)
        self._folder.stamp()
        self._ready = True
        self._remember()
        self._progress.summary(self._summary(surroundings, supervisor))

    def _surroundings(self, stores: OwnStores, credentials: Credentials) -> Surroundings:
        admin_dsn, roles = stores.postgres.dsn(), logins(credentials)
        return Surroundings(
            folder=self._folder.path,
            credentials=credentials,
            redis_addr=stores.valkey.address,
            redis_password=stores.valkey.password,
            redis_key_prefix="",
            public_url=self._options.public_url,
            postgres_dsn=lambda schema: service_dsn(admin_dsn, DATABASE, roles[schema], schema),
        )

    def _provision(self, stores: OwnStores, credentials: Credentials) -> None:
        admin_dsn = stores.postgres.dsn()
        close_maintenance_databases(admin_dsn)
        provision_database(admin_dsn, DATABASE, logins(credentials))
        write_geoip_fixture(self._folder.path / "geoip.mmdb")
        self._check()

    def _keep(self) -> NoReturn:
        """Look after everything until somebody wants it to stop, which `_check` raises."""
        assert self._supervisor is not None
        assert self._stores is not None
        next_look_at_disk = 0.0
        while True:
            self._check()
            if self._stores.revive(self._progress):
                self._remember()
            for happening in self._supervisor.tick():
                if isinstance(happening, Died):
                    again = f"It starts again in {happening.next_try_seconds:g} s."
                    self._progress.warn(f"{happening.failure.sentence} {again}")
                    self._progress.last_lines(happening.failure.last_lines)
                else:
                    self._progress.say(f"{happening.name} is back.")
            if time.monotonic() >= next_look_at_disk:
                next_look_at_disk = time.monotonic() + _DISK_LOOK_SECONDS
                self._warn_of_full_disk()
            time.sleep(_TICK_SECONDS)

    def _warn_of_full_disk(self) -> None:
        free = shutil.disk_usage(self._folder.path).free
        if free < _LOW_DISK_BYTES:
            left = f"Only {free // 1024**2} MiB are left on the disk"
            self._progress.warn(f"{left}; soon nothing more can be stored.")

    def _down(self) -> None:
        """Stop everything in the reverse order; a further Ctrl-C ends what is left at once."""
        self._stopping = True
        if self._stop_wishes:
            self._progress.say("Stopping. Ctrl-C once more ends everything at once.")
        self._stop_wishes = 0
        for name, stop in list(self._things_to_stop()):
            with self._progress.step(f"Stopping {name}", f"{name} has stopped"):
                stop()
            self._remember()
        if self._supervisor is not None:
            self._supervisor.close()
        if self._stores is not None:
            self._stores.close()
        if self._ready:
            self._progress.say("All stopped; the data stays for the next start.")

    def _things_to_stop(self) -> Iterator[tuple[str, Callable[[], object]]]:
        if self._supervisor is not None:
            for name, service in reversed(self._supervisor.services.items()):
                if service.child is not None:
                    yield name, partial(self._supervisor.stop, name)
        if self._stores is not None:
            for name, store in self._stores.running():
                yield name, store.stop

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        self._stop_wishes += 1
        if number == signal.SIGHUP:  # the terminal is gone: writing to it would fail, stopping must not
            self._progress.mute()
        elif self._stopping:
            for child in self._children().values():
                child.kill_group()

    def _check(self) -> None:
        if self._stop_wishes:
            raise StopRequested("Stopping.")

    def _children(self) -> dict[str, Child]:
        found: dict[str, Child] = {}
        if self._stores is not None:
            found |= {name.lower(): store.child for name, store in self._stores.running() if store.child}
        if self._supervisor is not None:
            found |= {name: s.child for name, s in self._supervisor.services.items() if s.child}
        return found

    def _remember(self) -> None:
        """Write down who runs: for `status`, and for the launcher that comes after a SIGKILL of this one."""
        services = self._supervisor.services if self._supervisor is not None else {}
        stores = self._stores.addresses() if self._stores is not None else {}
        processes: dict[str, dict[str, Any]] = {}
        for name, child in self._children().items():
            service = services.get(name)
            processes[name] = {
                "pid": child.pid,
                "created": _created(child.pid),
                "state": str(service.state) if service else "ready",
                "restarts": service.restarts if service else 0,
                "listens": dict(service.bound) if service else {"": stores[name]},
            }
        for name, service in services.items():
            processes.setdefault(
                name, {"state": str(service.state), "restarts": service.restarts, "listens": {}}
            )
        self._folder.keep_state({"launcher": os.getpid(), "ready": self._ready, "processes": processes})

    def _summary(self, surroundings: Surroundings, supervisor: Supervisor) -> Summary:
        pids = [child.pid for child in self._children().values()]
        return Summary(
            addresses=supervisor.addresses,
            public_url=public_base_url(surroundings, supervisor.addresses)
            if "gateway.public" in supervisor.addresses
            else None,
            operator_login=OPERATOR_LOGIN,
            operator_password=surroundings.credentials["operator_password"],
            data_folder=_as_typed(self._folder.path),
            took_seconds=time.monotonic() - self._began,
            memory_bytes=memory_of_all(pids) + memory_of_one(os.getpid()),
        )

    def _as_sentence(self, error: StackError | OSError) -> StackError:
        if isinstance(error, StackError):
            return error
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return DiskFullError(
                f"No space is left for {self._folder.path}.",
                remedy="Free some space and start again; nothing that was stored is lost.",
            )
        return StackError(f"The data folder {self._folder.path} cannot be used: {error}.")


def _as_typed(path: Path) -> str:
    """The path as one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _created(pid: int) -> float:
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0
