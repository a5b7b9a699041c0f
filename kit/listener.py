"""HTTP listeners: uvicorn under our own start and stop, so that a process can have several and order their end."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from kit.process import StartError


def bind(listen_addr: str, *, backlog: int = 2048) -> socket.socket:
    """Bind and listen on `host:port` (empty host: every interface, port 0: any free one).

    Raises StartError with the address when it is taken or not ours.
    """
    host, _, port = listen_addr.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Without the protocol's number asyncio does not know it for TCP and leaves Nagle's algorithm on.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host.strip("[]") or "0.0.0.0", int(port)))
        bound.listen(backlog)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        raise StartError(f"cannot listen on {listen_addr}: {error.strerror or error}") from error
    return bound


def address_of(bound: socket.socket) -> str:
    """Return `host:port` as a client on this machine would write it (every interface becomes loopback)."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
    return f"{host}:{port}"


class HttpListener:
    """One ASGI application on one socket."""

    def __init__(self, name: str, app: Any, listen_addr: str, **options: Any) -> None:
        """`options` go to uvicorn.Config on top of ours; `server` there may name a uvicorn.Server subclass."""
        self.name = name
        self._listen_addr = listen_addr
        self._socket: socket.socket | None = None
        server_class: type[uvicorn.Server] = options.pop("server", uvicorn.Server)
        defaults: dict[str, Any] = {
            "http": "httptools",
            "ws": "none",
            "lifespan": "off",
            "access_log": False,
            "log_config": None,
            "server_header": False,
            "proxy_headers": False,
            "timeout_keep_alive": 30,
            "timeout_graceful_shutdown": 10,
        }
        self._server = server_class(uvicorn.Config(app, **(defaults | options)))
        # The process owns signals (kit.process); uvicorn must not take them.
        self._server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
        self._task: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """Bound `host:port`; only while running."""
        assert self._socket is not None, f"{self.name} is not bound"
        return address_of(self._socket)

    def bind(self) -> None:
        """Take the port now, before anything slow begins. Raises StartError. Harmless when bound already."""
        self._socket = self._socket or bind(self._listen_addr)

    async def start(self) -> None:
        """Serve; returns once requests are answered."""
        self.bind()
        assert self._socket is not None
        self._task = asyncio.create_task(
            self._server.serve(sockets=[self._socket]), name=f"listener-{self.name}"
        )
        while not self._server.started:
            if self._task.done():
                self._task.result()
                raise StartError(f"listener {self.name} ended while starting")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Close the listener, let requests in flight finish within the graceful limit. Harmless when not running."""
        if self._task is not None:
            self._server.should_exit = True
            await self._task
            self._task = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator["HttpListener"]:
        """Serve for the length of the context."""
        await self.start()
        try:
            yield self
        finally:
            await self.stop()
