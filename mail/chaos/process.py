"""A mail service as a process of its own, to be killed: for chaos runs and kill tests."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from kit.redis_pool import RedisSettings

SEAL_KEYS = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
_READY_SECONDS = 30


def quick_environment(dsn: str, redis: RedisSettings, smtp_port: int) -> dict[str, str]:
    """Return the variables of a mail service with short leases, so that a kill is made good within seconds.

    The relay has longer than it ever needs, even on a busy machine: an answer that comes too late would be one more fault.
    """
    return {
        "MAIL_INTERNAL_HTTP_ADDR": "127.0.0.1:0",
        "MAIL_POSTGRES_PRIMARY_DSN": dsn,
        "MAIL_REDIS_MASTER_ADDR": redis.master_addr,
        "MAIL_REDIS_PASSWORD": redis.password.get_secret_value(),
        "MAIL_REDIS_KEY_PREFIX": redis.key_prefix,
        "MAIL_SEAL_KEYS": SEAL_KEYS,
        "MAIL_SMTP_HOST": "127.0.0.1",
        "MAIL_SMTP_PORT": str(smtp_port),
        "MAIL_SMTP_FROM": "galaxy@mail.test",
        "MAIL_SMTP_TLS_MODE": "none",
        "MAIL_SMTP_CONNECTIONS": "8",
        "MAIL_SMTP_TIMEOUT": "1s",
        "MAIL_SMTP_FINAL_TIMEOUT": "2500ms",
        "MAIL_UNKNOWN_WAIT": "200ms",
        "MAIL_LEASE": "8600ms",
        "MAIL_WORKERS": "2",
        "MAIL_BATCH": "10",
        "MAIL_WORKER_INTERVAL": "200ms",
        "MAIL_OTEL_TRACES_EXPORTER": "none",
        "MAIL_OTEL_METRICS_EXPORTER": "none",
        "MAIL_LOG_LEVEL": "warning",
    }


class MailProcess:
    """`python -m mail` with a set of variables."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        """`log` takes its output."""
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("MAIL_")},
            **environment,
        }
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self.addresses: Mapping[str, Any] = {}

    async def start(self) -> None:
        """Start and wait until it is ready. Raises RuntimeError with its last lines."""
        with tempfile.TemporaryDirectory() as folder, self._log.open("ab") as log:
            ready = Path(folder) / "ready"
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "mail", "--die-with-parent", "--ready-file", str(ready)),
                env=self._environment,
                stdout=log,
                stderr=log,
            )
            try:
                async with asyncio.timeout(_READY_SECONDS):
                    while not ready.exists() and self._process.returncode is None:
                        await asyncio.sleep(0.01)
            except TimeoutError:
                self._process.kill()
            if not ready.exists():
                raise RuntimeError(f"mail did not start:\n{self._log.read_text()[-2000:]}")
            self.addresses = orjson.loads(ready.read_bytes())

    def send(self, number: signal.Signals) -> None:
        """Send a signal to this very process."""
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self, timeout: float = 30.0) -> int:
        """Wait until it has ended; return the exit code."""
        assert self._process is not None
        async with asyncio.timeout(timeout):
            return await self._process.wait()

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone. Harmless when it has ended."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
