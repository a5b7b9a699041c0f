"""The data folder: who works on it, which release wrote it, where everything in it lies.

lock            held by the launcher while it runs; says who and since when
version.json    the release and layout that wrote the folder
ports.json      the ports that the stores took last
secrets/        passwords, tokens, keys (only the owner may read them)
postgres/       the database          valkey/    the append-only file
mailbox/        caught mail           engines/   what engine processes keep while they run
logs/           a capped log per process (only the owner may read them)
run/            ready files and the state of a running stack (likewise); worthless afterwards
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from deploy.embedded.errors import FolderError, FolderLockedError, FolderTooNewError

LAYOUT = 1
_ORPHAN_PATIENCE_SECONDS = 20
_LOCK_PATIENCE_SECONDS = 0.5
_ENTRIES = frozenset(
    [
        *("lock", "version.json", "ports.json", "geoip.mmdb"),
        *("secrets", "postgres", "valkey", "mailbox", "engines", "logs", "run"),
    ]
)


def release() -> str:
    """Return the version of the installed distribution."""
    return version("galaxy-platform")


class DataFolder:
    """One data folder. Reading state needs no lock; `claim` takes the lock that a launcher needs."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.logs = self.path / "logs"
        self.run = self.path / "run"
        self.secrets = self.path / "secrets"
        self._lock: int | None = None

    def claim(self) -> None:
        """Make the folder if needed and take it for this process; raises FolderError with what stands in the way."""
        self._refuse_foreign()
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_lock()
        try:
            self._check_version()
            if not (self.path / "version.json").exists():
                self.stamp()
            self._mend()
            for inner in (self.logs, self.run):
                inner.mkdir(exist_ok=True, mode=0o700)
                inner.chmod(0o700)  # an older release made them readable to all
        except BaseException:
            self.release_lock()
            raise

    def release_lock(self) -> None:
        """Let the next launcher in. The kernel does the same when this process dies."""
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None

    def holder(self) -> Mapping[str, Any] | None:
        """Return what the launcher that holds the folder said of itself (`pid`, `since`), or None when nobody does."""
        try:
            lock = os.open(self.path / "lock", os.O_RDWR)
        except OSError:
            return None
        try:
            return None if _try_lock(lock) else _as_object(os.pread(lock, 4096, 0)) or {}
        finally:
            os.close(lock)

    def stamp(self) -> None:
        """Note that this release wrote the folder; done again once a whole start has succeeded."""
        self._write("version.json", {"layout": LAYOUT, "release": release()})

    def ports(self) -> Mapping[str, int]:
        """Return the ports that the stores took last."""
        said = self._read("ports.json")
        return {name: port for name, port in said.items() if isinstance(port, int)}

    def keep_ports(self, ports: Mapping[str, int]) -> None:
        """Remember them for the next start."""
        self._write("ports.json", ports)

    def state(self) -> Mapping[str, Any]:
        """Return what the running launcher last wrote about its stack; empty when there is nothing."""
        return self._read("run/state.json")

    def keep_state(self, state: Mapping[str, Any]) -> None:
        """Write the state for `status` and for the next launcher. A full disk is no reason to fail here."""
        with contextlib.suppress(OSError):
            self._write("run/state.json", state)

    def remove(self) -> None:
        """Remove all data, and the folder unless a stranger's file is in it.

        Raises FolderError when it is not ours, or in use.
        """
        self._refuse_foreign()
        if not self.path.exists():
            return
        self._take_lock()
        try:
            self._await_orphans()
            for entry in sorted(self.path.iterdir(), key=lambda entry: entry.name == "version.json"):
                if entry.name not in _ENTRIES and entry.suffix != ".part":
                    continue
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
            with contextlib.suppress(OSError):
                self.path.rmdir()
        finally:
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def _refuse_foreign(self) -> None:
        """Never work in, let alone clear, a folder that no Galaxy has made."""
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise FolderError(f"{self.path} is no folder.", remedy="Choose another place for the data.")
        entries = {entry.name for entry in self.path.iterdir()} - {"lock", "version.json.part"}
        if entries and "layout" not in self._read("version.json"):
            raise FolderError(
                f"{self.path} holds files that are not Galaxy's; nothing in it was touched.",
                remedy="Choose an empty folder for the data.",
            )

    def _take_lock(self) -> None:
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + _LOCK_PATIENCE_SECONDS
        while not _try_lock(lock):
            if time.monotonic() < deadline:  # a `make status` may hold it for a moment
                time.sleep(0.02)
                continue
            said = _as_object(os.pread(lock, 4096, 0)) or {}
            os.close(lock)
            who = (
                f"process {said['pid']}, since {said['since']}"
                if {"pid", "since"} <= said.keys()
                else "starting"
            )
            raise FolderLockedError(
                f"Galaxy already runs on {self.path} ({who}).",
                remedy="`make status` shows it, `make down` stops it.",
            )
        since = datetime.now(UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        os.ftruncate(lock, 0)
        os.pwrite(lock, json.dumps({"pid": os.getpid(), "since": since}).encode(), 0)
        self._lock = lock

    def _check_version(self) -> None:
        said = self._read("version.json")
        layout, written_by = said.get("layout", LAYOUT), str(said.get("release", "0"))
        if layout > LAYOUT or _order(written_by) > _order(release()):
            raise FolderTooNewError(
                f"{self.path} was written by Galaxy {written_by}; this is {release()}, which is older.",
                remedy=f"Start Galaxy {written_by} or newer, or choose another data folder.",
            )

    def _mend(self) -> None:
        """Take away what an interrupted start left half-made, and see every process of a killed launcher gone."""
        self._await_orphans()
        shutil.rmtree(self.run, ignore_errors=True)
        for part in [*self.path.glob("*.part"), *self.secrets.glob("*.part")]:
            if part.is_dir():
                shutil.rmtree(part, ignore_errors=True)
            else:
                part.unlink(missing_ok=True)
        postgres_made = (self.path / "postgres" / "PG_VERSION").exists()
        if postgres_made and not (self.secrets / "secrets.json").exists():
            raise FolderError(
                f"{self.path} holds a database, but the secrets that open it are missing.",
                remedy=f"Put {self.secrets / 'secrets.json'} back, or remove all data with `make clean-data`.",
            )

    def _await_orphans(self) -> None:
        deadline = time.monotonic() + _ORPHAN_PATIENCE_SECONDS
        for process in self._orphans():
            with contextlib.suppress(psutil.Error):
                try:
                    process.wait(max(0.0, deadline - time.monotonic()))
                except psutil.TimeoutExpired:
                    process.kill()
                    process.wait(5)

    def _orphans(self) -> list[psutil.Process]:
        found = []
        processes = self.state().get("processes", {})
        for said in processes.values() if isinstance(processes, dict) else ():
            with contextlib.suppress(psutil.Error, KeyError, TypeError):
                process = psutil.Process(said["pid"])
                if abs(process.create_time() - said["created"]) < 1:  # else the number is a stranger's by now
                    found.append(process)
        return found

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        path = self.path / name
        draft = path.with_name(path.name + ".part")
        with open(draft, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(json.dumps(content, indent=2) + "\n")
        draft.replace(path)

    def _read(self, name: str) -> Mapping[str, Any]:
        try:
            return _as_object((self.path / name).read_bytes()) or {}
        except OSError:
            return {}


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _as_object(content: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(content)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _order(release_name: str) -> tuple[int, ...]:
    """Return the numbers of a release; what follows them (`.dev3`, `rc1`) does not matter for the data."""
    numbers = re.match(r"\d+(\.\d+)*", release_name)
    return tuple(map(int, numbers[0].split("."))) if numbers else (0,)
