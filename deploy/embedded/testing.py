"""Stores that a test may break: servers of its own, which die as a crash lets them die and come back on the same address.

The session's shared stores are for everybody and stay whole.
"""

import asyncio
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.embedded.logfile import LogFile
from deploy.embedded.postgres import STOP_TIMEOUT_SECONDS, Postgres
from deploy.embedded.valkey import Valkey


@dataclass(frozen=True)
class BreakablePostgres:
    """A PostgreSQL with the launcher's settings, but no fsync: the machine itself goes on."""

    server: Postgres

    @property
    def admin_dsn(self) -> str:
        """Return the superuser's DSN."""
        return self.server.dsn()

    async def crash(self) -> None:
        """End it as `pg_ctl stop -m immediate` does: every session breaks off, nothing is written out."""
        child = self.server.child
        assert child is not None
        await asyncio.to_thread(child.stop, signal.SIGQUIT, timeout_seconds=STOP_TIMEOUT_SECONDS)
        self.server.child = None

    async def come_back(self) -> None:
        """Start it again, on the same port."""
        await asyncio.to_thread(self.server.start, keep_port=True)


@dataclass(frozen=True)
class BreakableValkey:
    """A Valkey as the launcher starts it, append-only file and all."""

    server: Valkey

    @property
    def url(self) -> str:
        """Return the address with its password."""
        return self.server.url

    async def crash(self) -> None:
        """SIGKILL, and wait until it is gone."""
        child = self.server.child
        assert child is not None
        await asyncio.to_thread(child.kill)
        self.server.child = None

    async def come_back(self) -> None:
        """Start it again on its files and the same port."""
        await asyncio.to_thread(self.server.start, keep_port=True)

    def pause(self) -> None:
        """SIGSTOP: it hangs, its connections stay open."""
        assert self.server.child is not None
        self.server.child.send(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        assert self.server.child is not None
        self.server.child.send(signal.SIGCONT)


@contextmanager
def breakable_postgres(folder: Path) -> Iterator[BreakablePostgres]:
    """Give a running server on a new folder; it ends with the context."""
    log = LogFile(folder / "postgres.log")
    server = Postgres(folder / "postgres", secrets.token_hex(16), log, settings={"fsync": "off"})
    try:
        server.initialise()
        server.start()
        yield BreakablePostgres(server)
    finally:
        server.stop()
        log.close()


@contextmanager
def breakable_valkey(folder: Path, *, durable: bool = True) -> Iterator[BreakableValkey]:
    """Give a running server on a new folder; it ends with the context. `durable=False`: without its append-only file."""
    log = LogFile(folder / "valkey.log")
    server = Valkey(folder / "valkey", secrets.token_hex(16), log, durable=durable)
    try:
        server.start()
        yield BreakableValkey(server)
    finally:
        if server.child is not None:
            server.child.send(signal.SIGCONT)
        server.stop()
        log.close()
