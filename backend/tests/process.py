"""`python -m backend` as a process of its own, for what only a whole process can show."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from backend.settings import BackendSettings
from backend.tests.driving import GATEWAY_TOKEN, NOTIFICATION_TOKEN
from deploy.embedded.ports import candidates
from kit.testing import eventually


def environment(settings: BackendSettings, **changes: str) -> dict[str, str]:
    """Write a test's settings as variables."""
    redis = settings.redis
    given = {
        "BACKEND_HTTP_LISTEN_ADDR": "127.0.0.1:0",
        "BACKEND_GRPC_PUSH_LISTEN_ADDR": "127.0.0.1:0",
        "BACKEND_POSTGRES_DSN": settings.postgres.dsn.get_secret_value(),
        "BACKEND_POSTGRES_CONNECT_INTERVAL": "50ms",
        "BACKEND_REDIS_MASTER_ADDR": redis.master_addr,
        "BACKEND_REDIS_PASSWORD": redis.password.get_secret_value(),
        "BACKEND_REDIS_KEY_PREFIX": redis.key_prefix,
        "BACKEND_SERVICE_TOKENS": f"gateway:{GATEWAY_TOKEN},notification:{NOTIFICATION_TOKEN}",
        "BACKEND_SEAL_KEYS": settings.seal_keys.get_secret_value(),
        "BACKEND_AUTH_HASH_KEY": settings.auth.hash_key.get_secret_value(),
        "BACKEND_AUTH_CODES_PER_IP_HOUR": "1000",
        "BACKEND_ADMIN_BOOTSTRAP_USER": "root",
        "BACKEND_ADMIN_BOOTSTRAP_PASSWORD": "correct horse battery",
        "BACKEND_LEADERSHIP_POLL_INTERVAL": "100ms",
        "BACKEND_NOTIFICATION_WORKER_INTERVAL": "100ms",
        "BACKEND_MAIL_WORKER_INTERVAL": "100ms",
        "BACKEND_RUNTIME_ADAPTER": "process",
        "BACKEND_SHUTDOWN_TIMEOUT": "3s",
        "BACKEND_OTEL_TRACES_EXPORTER": "none",
        "BACKEND_OTEL_METRICS_EXPORTER": "none",
    }
    return {"PATH": os.environ["PATH"], "PYTHONPATH": ".:proto", **given, **changes}


class BackendProcess:
    """A running process and what it says."""

    def __init__(self, process: asyncio.subprocess.Process, ready_file: Path, log: Path, port: int) -> None:
        self.process = process
        self._ready_file = ready_file
        self._log = log
        self.base_url = f"http://127.0.0.1:{port}"

    @property
    def addresses(self) -> dict[str, Any] | None:
        """Return what the ready file says, or None while there is none."""
        return json.loads(self._ready_file.read_bytes()) if self._ready_file.exists() else None

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the log lines of one event."""
        lines = [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == name]

    def log_text(self) -> str:
        """Return everything it wrote."""
        return self._log.read_text()

    async def get(self, path: str) -> tuple[int, dict[str, Any]] | None:
        """Ask one question without a token; None while nobody listens."""
        try:
            async with aiohttp.ClientSession() as session, session.get(self.base_url + path) as response:
                return response.status, await response.json()
        except aiohttp.ClientConnectionError:
            return None

    async def ready_reason(self) -> str | None:
        """Return what `/readyz` says; None while nobody listens."""
        answer = await self.get("/readyz")
        return str(answer[1]["status"]) if answer is not None else None

    async def wait_reason(self, reason: str, timeout: float = 30) -> None:
        """Wait until `/readyz` says so."""

        async def said() -> bool:
            assert self.process.returncode is None, self.log_text()
            return await self.ready_reason() == reason

        await eventually(said, timeout)

    async def wait_exit(self, timeout: float = 20) -> int:
        """Wait for its end; return the exit code."""
        async with asyncio.timeout(timeout):
            return await self.process.wait()


@asynccontextmanager
async def backend_process(
    settings: BackendSettings, folder: Path, name: str = "backend", **changes: str
) -> AsyncIterator[BackendProcess]:
    """Start a process; it is killed at the end if it still runs."""
    ready_file, log = folder / f"{name}.ready", folder / f"{name}.log"
    port = next(candidates())
    changes = {"BACKEND_HTTP_LISTEN_ADDR": f"127.0.0.1:{port}", **changes}
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "backend",
            "--ready-file",
            str(ready_file),
            "--die-with-parent",
            env=environment(settings, **changes),
            stdout=out,
            stderr=out,
        )
    try:
        yield BackendProcess(process, ready_file, log, port)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
            await process.wait()
