"""The door of the REST listener: probes from the first moment on, everything else only while this backend is active."""

from collections.abc import Awaitable, Callable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from kit.rest import ApiError, error_response

NotReady = Callable[[], Awaitable[str | None]]


class Gate:
    """An ASGI application that has another one behind it, or none.

    The listener is bound before Postgres is asked for anything and stays bound in a standby, so `/healthz` tells of the
    process alone and `/readyz` says what it waits for.
    """

    def __init__(self, waiting_for: str) -> None:
        self._reason = waiting_for
        self._app: ASGIApp | None = None
        self._not_ready: NotReady | None = None

    def wait_for(self, reason: str) -> None:
        """Say what stands between this process and readiness; a constant snake_case word."""
        self._reason = reason

    def open(self, app: ASGIApp, not_ready: NotReady) -> None:
        """Serve `app` from now on; `not_ready` answers `/readyz`."""
        self._app = app
        self._not_ready = not_ready

    def close(self, reason: str) -> None:
        """Serve nothing any more but the probes."""
        self._app = None
        self._not_ready = None
        self._reason = reason

    async def reason(self) -> str | None:
        """Return why the process is not ready, or None when it is."""
        return await self._not_ready() if self._not_ready is not None else self._reason

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        await (await self._answerer(scope["path"]))(scope, receive, send)

    async def _answerer(self, path: str) -> ASGIApp:
        if path == "/healthz":
            return JSONResponse({"status": "ok"})
        if path == "/readyz":
            reason = await self.reason()
            return JSONResponse({"status": reason or "ready"}, status_code=503 if reason else 200)
        if self._app is not None:
            return self._app
        return error_response(
            ApiError(
                503,
                "service_unavailable",
                "this backend is not active",
                {"reason": self._reason},
                {"Retry-After": "2"},
            )
        )
