"""Sockets and servers that strangers reach, whichever engine speaks HTTP on them."""

import socket
from functools import partial
from typing import Any, Literal

import uvicorn
from starlette.types import ASGIApp

from gateway.edge.patience import ConnectionPatience
from gateway.limits.connections import ConnectionGuard
from kit.listener import HttpListener

_KEEPALIVE_IDLE_SECONDS = 5
_KEEPALIVE_INTERVAL_SECONDS = 2
_KEEPALIVE_PROBES = 3
_UNACKNOWLEDGED_MS_MAX = 10_000

Engine = Literal["httpunk", "zttp"]


class EdgeServer(uvicorn.Server):
    """uvicorn's server, which lets go of connections that outstay the graceful limit."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let connections finish, then end those that did not."""
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            force_close = getattr(connection, "force_close", None)
            if force_close is not None:
                force_close()


class EdgeListener(HttpListener):
    """One cleartext port for HTTP/1.1 and h2c, with bounded connections and bounded waits."""

    def __init__(
        self,
        name: str,
        app: ASGIApp,
        listen_addr: str,
        engine: Engine,
        guard: ConnectionGuard,
        patience: ConnectionPatience,
        shutdown_seconds: float,
    ) -> None:
        super().__init__(
            name,
            app,
            listen_addr,
            http=partial(_protocol_class(engine), guard=guard, patience=patience),
            server=EdgeServer,
            timeout_graceful_shutdown=shutdown_seconds,
            timeout_keep_alive=patience.idle_seconds,
        )

    def bind(self) -> None:
        """Take the port; connections inherit the options that notice half-open peers within seconds. Raises StartError."""
        super().bind()
        assert self._socket is not None
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for option, value in (
            ("TCP_KEEPIDLE", _KEEPALIVE_IDLE_SECONDS),
            ("TCP_KEEPINTVL", _KEEPALIVE_INTERVAL_SECONDS),
            ("TCP_KEEPCNT", _KEEPALIVE_PROBES),
            ("TCP_USER_TIMEOUT", _UNACKNOWLEDGED_MS_MAX),
        ):
            if hasattr(socket, option):  # Linux has all of them
                self._socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _protocol_class(engine: Engine) -> Any:
    if engine == "httpunk":
        from gateway.edge.httpunk_protocol import HttpunkProtocol

        return HttpunkProtocol
    from gateway.edge.zttp_protocol import ZttpEdgeProtocol

    return ZttpEdgeProtocol
