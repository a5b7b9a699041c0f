"""Composition root: one machine, its HTTP edge, and a log line for each request."""

import time
import uuid
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.errors import EngineError, Refused
from engine.logs import Log
from engine.machine import Machine
from engine.rest import Api, error_response
from engine.settings import Settings

_ID_LENGTH_MAX = 200


def new_request_id() -> str:
    """Return an id for a request that came without one."""
    return uuid.uuid4().hex


def build(
    settings: Settings,
    log: Log,
    machine: Machine,
    *,
    new_id: Callable[[], str] = new_request_id,
    monotonic: Callable[[], float] = time.monotonic,
) -> ASGIApp:
    """Return the ASGI application of the engine."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, EngineError)
        return error_response(error, request.state.request_id)

    async def unrouted(request: Request, error: Exception) -> Response:
        missing = isinstance(error, HTTPException) and error.status_code == 404
        refusal = (
            Refused("not_found", "There is no such resource.")
            if missing
            else Refused("method_not_allowed", "The resource does not take this method.")
        )
        return error_response(refusal, request.state.request_id)

    async def defect(request: Request, error: Exception) -> Response:
        log.write("error", "request_failed", request_id=request.state.request_id, error=repr(error))
        return error_response(
            Refused("internal_error", "The engine made an error."), request.state.request_id
        )

    app = Starlette(
        routes=Api(machine, settings.token, log, monotonic).routes(),
        exception_handlers={EngineError: refused, HTTPException: unrouted, Exception: defect},
    )
    app.router.redirect_slashes = False
    return _RequestLog(app, log, new_id, monotonic)


class _RequestLog:
    """One line a request, with the ids of the caller's trace."""

    def __init__(
        self, app: ASGIApp, log: Log, new_id: Callable[[], str], monotonic: Callable[[], float]
    ) -> None:
        self._app = app
        self._log = log
        self._new_id = new_id
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        request_id = _header(headers, b"x-request-id") or self._new_id()
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode("latin-1", "replace")),
                ]
            await send(message)

        started = self._monotonic()
        try:
            await self._app(scope, receive, noting)
        finally:
            level = "debug" if scope["path"] in {"/healthz", "/readyz"} else "info"
            self._log.write(
                level,
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                duration_ms=round((self._monotonic() - started) * 1000, 3),
                request_id=request_id,
                traceparent=_header(headers, b"traceparent"),
            )


def _header(headers: dict[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name, b"").decode("latin-1")[:_ID_LENGTH_MAX]
    return value if value and value.isprintable() else None
