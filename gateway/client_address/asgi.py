"""Putting the client's address where applications look for it."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.client_address.model import TrustedProxies


class ClientAddress:
    """ASGI middleware: `scope["client"]` becomes the client behind our proxies."""

    def __init__(self, app: ASGIApp, proxies: TrustedProxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            peer = scope.get("client")
            forwarded_for = Headers(scope=scope).getlist("x-forwarded-for")
            scope["client"] = (self._proxies.client_of(peer[0] if peer else "", forwarded_for), 0)
        await self._app(scope, receive, send)
