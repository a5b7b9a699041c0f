"""The stores that a test session shares: one PostgreSQL and one Valkey, started on first use, gone with the process.

Tests make a database or a key prefix of their own inside. What a crash of the computer would cost is left out (no fsync,
no append-only file); what a crash of the *server* would cost is not.
"""

import atexit
import contextlib
import os
import secrets
import shutil
import tempfile
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from deploy.embedded.errors import CannotRunError
from deploy.embedded.logfile import LogFile
from deploy.embedded.postgres import Postgres
from deploy.embedded.valkey import Valkey

_PREFIX = "galaxy-stores-"


@dataclass(frozen=True)
class Stores:
    """Two running servers and the folder they live in."""

    folder: Path
    postgres: Postgres
    valkey: Valkey

    def close(self) -> None:
        """Stop both and remove the folder."""
        self.valkey.stop()
        self.postgres.stop()
        self.postgres.log.close()
        self.valkey.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@cache
def session_stores() -> Stores:
    """Return this process's own stores; the first call starts them (about one second), its exit stops them.

    They die with the process however it goes. A killed one leaves its folder, which the next session removes.
    """
    if threading.current_thread() is not threading.main_thread():
        raise CannotRunError(
            "The session's stores must be started from the main thread, which they die with."
        )
    _remove_abandoned()
    stores = _start(Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-")))
    atexit.register(stores.close)
    return stores


def _start(folder: Path) -> Stores:
    postgres = Postgres(
        folder / "postgres",
        secrets.token_hex(16),
        LogFile(folder / "postgres.log"),
        settings={"fsync": "off", "full_page_writes": "off"},
    )
    valkey = Valkey(folder / "valkey", secrets.token_hex(16), LogFile(folder / "valkey.log"), durable=False)
    stores = Stores(folder, postgres, valkey)
    try:
        postgres.initialise()
        postgres.start()
        valkey.start()
    except BaseException:
        stores.close()
        raise
    return stores


def _remove_abandoned() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            ours = folder.stat().st_uid == os.geteuid()
            if ours and pid.isdecimal() and not psutil.pid_exists(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)
