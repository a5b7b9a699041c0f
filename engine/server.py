"""The process around the application: socket, ready file, signals."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.server import Server

from engine.logs import Log
from engine.settings import Settings


def bind(settings: Settings) -> socket.socket:
    """Return a bound socket; port 0 takes any free one."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((settings.host, settings.port))
    return listener


def address_of(listener: socket.socket) -> str:
    """Return host:port as bound."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def serve(app: ASGIApp, settings: Settings, log: Log, ready_file: Path | None) -> None:
    """Serve until SIGTERM or SIGINT. A turn that is running gets the shutdown timeout, then it is abandoned whole."""
    listener = bind(settings)
    config = Config(
        app,
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # Longer than clients keep idle connections: else a call may meet a connection that is just being closed.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=max(1, round(settings.shutdown_timeout_s)),
    )
    server = _Server(config, listener, log, ready_file)
    # Not asyncio.run: it would wait for the worker thread of an abandoned turn, however long that still computes.
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(server.serve(sockets=[listener]))
    finally:
        listener.close()
    log.write("info", "engine_stopped")


class _Server(Server):
    def __init__(self, config: Config, listener: socket.socket, log: Log, ready_file: Path | None) -> None:
        super().__init__(config)
        self._listener = listener
        self._log = log
        self._ready_file = ready_file

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        address = address_of(self._listener)
        if self._ready_file is not None:
            _write_ready(self._ready_file, address)
        self._log.write("info", "engine_ready", http=address)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals without uvicorn's raising them anew afterwards: a stopped engine exits 0."""
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._log.write("info", "engine_stopping", signal=signal.Signals(number).name)
        self.handle_exit(number, frame)


def _write_ready(path: Path, address: str) -> None:
    """Write the ready file as a whole: whoever sees it can read it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps({"http": address}) + "\n")
    draft.replace(path)
