"""What every request of the edge passes on its way to the calls: no compression, bounded waits, no gRPC without trailers."""

import asyncio

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kit.logs import get_logger

_log = get_logger("edge")
_ACCEPTS = frozenset({b"accept-encoding", b"connect-accept-encoding", b"grpc-accept-encoding"})
_GRPC = b"application/grpc"
_GRPC_WEB = b"application/grpc-web"


class PlainAnswers:
    """Answers are never compressed: signatures and small JSON gain nothing by it, and the event loop pays.

    Compressed requests are still read; refusing codecs altogether would refuse them too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] not in _ACCEPTS]
        await self._app(scope, receive, send)


class GrpcNeedsTrailers:
    """Refuses native gRPC over HTTP/1.1, which cannot carry its status; gRPC-Web and Connect can."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["http_version"] != "2":
            content_type = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
            if content_type.startswith(_GRPC) and not content_type.startswith(_GRPC_WEB):
                await PlainTextResponse("gRPC wants HTTP/2", 505)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class PatienceLimits:
    """A body must be complete in time, and a client must take what is sent in time; else the exchange is broken off."""

    def __init__(self, app: ASGIApp, body_seconds: float, send_seconds: float) -> None:
        self._app = app
        self._body_seconds = body_seconds
        self._send_seconds = send_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body_until = asyncio.get_running_loop().time() + self._body_seconds
        body_done = False

        async def bounded_receive() -> Message:
            nonlocal body_done
            if body_done:
                return await receive()
            try:
                async with asyncio.timeout_at(body_until):
                    message = await receive()
            except TimeoutError:
                _log.info("edge_body_too_slow", client=scope["client"])
                return {"type": "http.disconnect"}
            body_done = not message.get("more_body", False)
            return message

        async def bounded_send(message: Message) -> None:
            try:
                async with asyncio.timeout(self._send_seconds):
                    await send(message)
            except TimeoutError as error:
                _log.info("edge_send_stuck", client=scope["client"])
                raise ConnectionError("the client takes nothing any more") from error

        await self._app(scope, bounded_receive, bounded_send)
