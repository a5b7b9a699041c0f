"""First engine: httpunk's server protocol under uvicorn, bridged to ASGI.

uvicorn builds one protocol a connection and asks it to shut down; httpunk reads and writes HTTP/1.1 and h2c and calls
`handle` for each request.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

import uvicorn
from httpunk.asyncio import AutoServerProtocol
from httpunk.exceptions import HTTPunkError
from httpunk.h1.server import H1Server
from httpunk.h2.server import ServerRequest as H2Request
from httpunk.util import auto
from starlette.types import ASGIApp, Message
from uvicorn.server import ServerState

from gateway.edge.patience import ConnectionPatience
from gateway.limits.connections import ConnectionGuard
from kit.logs import get_logger

_log = get_logger("edge")
_H2_EXTENSIONS: Mapping[str, Mapping[str, object]] = {"http.response.trailers": {}}
_MAX_CONCURRENT_STREAMS = 256
_MAX_HEADER_LIST_BYTES = 16 * 1024


class HttpunkProtocol(AutoServerProtocol):
    """One connection."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],  # noqa: ARG002 - uvicorn's calling convention
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        guard: ConnectionGuard,
        patience: ConnectionPatience,
    ) -> None:
        if not config.loaded:
            config.load()
        super().__init__()  # type: ignore[no-untyped-call]
        self._app: ASGIApp = config.loaded_app
        self._connections: set[Any] = server_state.connections
        self._guard = guard
        self._patience = patience
        self._timer: asyncio.TimerHandle | None = None
        self._peer: tuple[str, int] = ("", 0)
        self._own: tuple[str, int] = ("", 0)
        self._admitted = False
        self._in_flight = 0
        self._served = False
        self._handlers: set[asyncio.Task[Any]] = set()

    def connection_made(self, transport: Any) -> None:
        """Admit the connection, or close it at once."""
        peer = transport.get_extra_info("peername") or ("", 0)
        self._peer = (peer[0], peer[1])
        self._own = (transport.get_extra_info("sockname") or ("", 0))[:2]
        if not self._guard.admit(self._peer[0]):
            transport.abort()
            self._transport = transport
            return
        self._admitted = True
        self._connections.add(self)
        super().connection_made(transport)  # type: ignore[no-untyped-call]
        self._timer = self._loop.call_later(self._patience.first_request_seconds, self.close)

    def data_received(self, data: bytes) -> None:
        """Read; from the first byte of a later head on HTTP/1.1 its time runs."""
        if self._in_flight == 0 and self._served and isinstance(self._server, H1Server):
            self._stop_timer()
            self._timer = self._loop.call_later(self._patience.header_seconds, self._drop)
            self._served = False
        super().data_received(data)  # type: ignore[no-untyped-call]

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timer()
        if self._admitted:
            self._admitted = False
            self._connections.discard(self)
            self._guard.release(self._peer[0])
        super().connection_lost(exc)  # type: ignore[no-untyped-call]

    def shutdown(self) -> None:
        """Let what is in flight finish, take nothing new (uvicorn asks for this)."""
        task = self._loop.create_task(self.graceful_shutdown())
        self._handlers.add(task)
        task.add_done_callback(self._handlers.discard)

    def force_close(self) -> None:
        """End the connection with whatever is in flight."""
        if self._serve_task is not None:
            self._serve_task.cancel()
        if self._transport is not None:
            self._transport.abort()

    async def _make_server(self) -> Any:
        builder = auto.Builder(backend=self._backend)
        # httpunk counts the idle time before a head as part of it, so this is the idle limit; ours is `data_received`.
        builder.http1().header_read_timeout(self._patience.idle_seconds)
        builder.http2().max_concurrent_streams(_MAX_CONCURRENT_STREAMS).max_header_list_size(
            _MAX_HEADER_LIST_BYTES
        )
        return await builder.serve_connection(self, cancel=self._sniff_cancel)

    async def handle(self, request: Any) -> None:
        """Run the application for one request."""
        self._stop_timer()
        self._in_flight += 1
        try:
            await _Exchange(request, self._peer, self._own).run(self._app, self._drop)
        finally:
            self._in_flight -= 1
            self._served = True
            if self._in_flight == 0 and self._admitted:
                self._timer = self._loop.call_later(self._patience.idle_seconds, self.shutdown)

    def _drop(self) -> None:
        """Let go of the connection without waiting for a peer that takes nothing."""
        if self._transport is not None:
            self._transport.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Exchange:
    """One request and its answer, as ASGI sees them."""

    def __init__(self, request: Any, peer: tuple[str, int], own: tuple[str, int]) -> None:
        self._request = request
        self._is_h2 = isinstance(request, H2Request)
        self._body = request.aiter_bytes()
        self._body_done = False
        self._gone = False
        self._start: Message | None = None
        self._stream: Any = None
        self._complete = False
        raw_path, _, query = (request.target or "/").partition("?")
        headers = request.headers.raw_items()
        if self._is_h2 and request.authority:
            headers = [(b"host", request.authority.encode()), *headers]
        self._scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "2" if self._is_h2 else "1.1",
            "server": own,
            "client": peer,
            "scheme": "http",
            "method": request.method,
            "root_path": "",
            "path": unquote(raw_path),
            "raw_path": raw_path.encode(),
            "query_string": query.encode(),
            "headers": headers,
            # Trailers exist on HTTP/1.1 too, but no gRPC client reads them there.
            "extensions": _H2_EXTENSIONS if self._is_h2 else {},
        }

    async def run(self, app: ASGIApp, drop_connection: Callable[[], None]) -> None:
        """Serve; whatever the application leaves open is reset, so that no client waits for ever."""
        try:
            await app(self._scope, self._receive, self._send)
        except ConnectionError:
            pass  # the client is gone or stuck; there is nobody to tell
        except Exception:  # noqa: BLE001 - the border: logged here, reset below
            _log.exception("edge_application_failed", path=self._scope["path"])
        if self._complete:
            return
        try:
            if self._stream is not None and self._is_h2:
                await self._stream.send_reset()
            elif self._is_h2:
                await self._request.reset()
            else:
                drop_connection()
        except HTTPunkError:
            drop_connection()

    async def _receive(self) -> Message:
        if self._gone:
            return {"type": "http.disconnect"}
        try:
            if not self._body_done:
                try:
                    chunk = await anext(self._body)
                except StopAsyncIteration:
                    self._body_done = True
                    return {"type": "http.request", "body": b"", "more_body": False}
                return {"type": "http.request", "body": chunk, "more_body": True}
            # Answering at once would make a watcher for disconnects spin: wait until the client really goes.
            await (self._request.reset_received() if self._is_h2 else self._request.peer_closed())
        except (HTTPunkError, OSError):
            pass
        self._gone = True
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        try:
            if message["type"] == "http.response.start":
                self._start = message
            elif message["type"] == "http.response.body":
                await self._send_body(message.get("body", b""), message.get("more_body", False))
            elif message["type"] == "http.response.trailers":
                await self._stream.send_trailers(message["headers"])
                self._complete = True
        except (HTTPunkError, OSError) as error:
            # On h2 the stream is over. On HTTP/1.1 the library closes the connection only once all is flushed, which a
            # client that takes nothing can put off for ever: `run` drops it.
            self._complete = self._is_h2
            self._gone = True
            raise ConnectionError(str(error)) from error

    async def _send_body(self, body: bytes, more_body: bool) -> None:
        assert self._start is not None, "a body before its head"
        ends = not more_body and not self._start.get("trailers", False)
        if self._stream is None:
            if ends:
                await self._request.respond(self._start["status"], headers=self._start["headers"], body=body)
                self._complete = True
                return
            self._stream = await self._request.send_response(
                self._start["status"], headers=self._start["headers"]
            )
        if body or ends:
            await self._stream.send_data(body, ends)
        self._complete = self._complete or ends
