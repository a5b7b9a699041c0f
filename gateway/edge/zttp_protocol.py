"""Second engine: uvicorn's own zttp protocols, with what they lack.

Mended here: DATA that the client's window does not let out keeps its sender waiting instead of piling up in memory; an h2
connection is told to go before zttp runs out of streams; silent and partial connections are closed.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto_zttp_impl import AutoZttpProtocol
from uvicorn.protocols.http.zttp_h2_impl import RequestResponseCycle, ZttpH2Protocol
from uvicorn.protocols.http.zttp_impl import RequestResponseCycle as Http1Cycle
from uvicorn.protocols.http.zttp_impl import ZttpProtocol
from uvicorn.server import ServerState

from gateway.edge.patience import ConnectionPatience
from gateway.limits.connections import ConnectionGuard

_PENDING_BYTES_MAX = 64 * 1024
_STREAMS_OF_A_CONNECTION = 3000
"""zttp fails a connection after 4096 streams; before that the client is asked to open another."""
_GOAWAY = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + (2**31 - 1).to_bytes(4, "big") + b"\x00\x00\x00\x00"
"""GOAWAY(NO_ERROR, 2³¹ − 1): finish what you have here, begin new streams elsewhere."""


class _Cycle(RequestResponseCycle):
    """One h2 exchange that waits until the client takes what was sent."""

    window_opened: asyncio.Event

    async def send(self, message: Any) -> None:
        """Send, then wait while too much is parked for want of window."""
        await super().send(message)
        while (
            not (self.disconnected or self.response_complete)
            and (self.stream.pending_bytes or 0) > _PENDING_BYTES_MAX
        ):
            self.window_opened.clear()
            await self.window_opened.wait()


class _Http2(ZttpH2Protocol):
    """One h2 connection."""

    def __init__(
        self, *arguments: Any, patience: ConnectionPatience, on_lost: Callable[[], None], **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self.timeout_keep_alive = patience.idle_seconds  # type: ignore[assignment]  # fractions too
        self._on_lost = on_lost
        self._first_request = self.loop.call_later(patience.first_request_seconds, self._close_connection)
        self._requests = 0
        self._window_opened = asyncio.Event()

    def handle_request(self, event: Any) -> None:
        """Begin an exchange of our kind."""
        self._first_request.cancel()
        super().handle_request(event)
        cycle = self.cycles[event.stream_id]
        # uvicorn names its class in place; the task has not begun, so that the exchange can still become ours.
        cycle.__class__ = _Cycle
        assert isinstance(cycle, _Cycle)
        cycle.window_opened = self._window_opened
        self._requests += 1
        if self._requests == _STREAMS_OF_A_CONNECTION:
            self.transport.write(_GOAWAY)

    def data_received(self, data: bytes) -> None:
        """Read frames; any of them may have opened a window."""
        super().data_received(data)
        self._window_opened.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._first_request.cancel()
        super().connection_lost(exc)
        self._window_opened.set()
        self._on_lost()

    def force_close(self) -> None:
        """End the connection with whatever is in flight."""
        self.transport.abort()


class _Http1(ZttpProtocol):
    """One HTTP/1.1 connection."""

    def __init__(
        self, *arguments: Any, patience: ConnectionPatience, on_lost: Callable[[], None], **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self._on_lost = on_lost
        self._header_seconds = patience.header_seconds
        self._head: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Read; while a head is incomplete its time runs."""
        super().data_received(data)
        cycle: Http1Cycle | None = self.cycle  # none before the first request, whatever uvicorn declares
        waits_for_head = cycle is None or cycle.response_complete
        if waits_for_head and self.timeout_keep_alive_task is None:
            if self._head is None and not self.transport.is_closing():
                self._head = self.loop.call_later(self._header_seconds, self.transport.close)
        elif self._head is not None:
            self._head.cancel()
            self._head = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._head is not None:
            self._head.cancel()
        super().connection_lost(exc)
        self._on_lost()

    def force_close(self) -> None:
        """End the connection with whatever is in flight."""
        self.transport.abort()


class ZttpEdgeProtocol(AutoZttpProtocol):
    """A connection that has not said yet which HTTP it speaks."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        guard: ConnectionGuard,
        patience: ConnectionPatience,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._guard = guard
        self._patience = patience
        self._peer = ""
        self._admitted = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Admit the connection, or close it at once."""
        self._peer = (transport.get_extra_info("peername") or ("",))[0]
        if not self._guard.admit(self._peer):
            self.transport = transport
            transport.abort()
            return
        self._admitted = True
        super().connection_made(transport)
        if self.timeout_task is not None:
            self.timeout_task.cancel()
        self.timeout_task = self.loop.call_later(self._patience.first_request_seconds, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection that never spoke."""
        super().connection_lost(exc)
        self._release()

    def force_close(self) -> None:
        """End the connection."""
        self.transport.abort()

    def _release(self) -> None:
        if self._admitted:
            self._admitted = False
            self._guard.release(self._peer)

    def _switch(self, http2: bool, initial_data: bytes = b"") -> None:
        protocol_class = _Http2 if http2 else _Http1
        protocol = protocol_class(
            config=self.config,
            server_state=self.server_state,
            app_state=self.app_state,
            _loop=self.loop,
            patience=self._patience,
            on_lost=self._release,
        )
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        if initial_data:
            protocol.data_received(initial_data)
