"""The edge as one ASGI application: the calls and all that stands around them."""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from galaxy.edge.v1.edge_connect import EdgeServiceASGIApplication
from gateway.client_address.asgi import ClientAddress
from gateway.client_address.model import TrustedProxies
from gateway.edge.asgi import GrpcNeedsTrailers, PatienceLimits, PlainAnswers
from gateway.edge.codecs import edge_codecs
from gateway.edge.interceptors import AddressRate, DefectsStayInside, MessageSize
from gateway.edge.rpc import EdgeCalls

_REQUEST_HEADERS = (
    "content-type",
    "connect-protocol-version",
    "connect-timeout-ms",
    "grpc-timeout",
    "x-grpc-web",
    "x-user-agent",
    "traceparent",
)
_ANSWER_HEADERS = ("grpc-status", "grpc-message", "grpc-status-details-bin")


def edge_application(
    calls: EdgeCalls,
    address_rate: AddressRate,
    message_size: MessageSize,
    proxies: TrustedProxies,
    cors_origins: Sequence[str],
    *,
    body_seconds: float,
    send_seconds: float,
) -> ASGIApp:
    """Build it."""
    app: ASGIApp = EdgeServiceASGIApplication(
        calls,
        interceptors=[address_rate, message_size, DefectsStayInside()],
        read_max_bytes=message_size.bytes_max,
        codecs=edge_codecs(),
    )
    app = GrpcNeedsTrailers(PlainAnswers(app))
    app = PatienceLimits(app, body_seconds, send_seconds)
    app = with_cors(app, cors_origins, expose=_ANSWER_HEADERS, allow=_REQUEST_HEADERS)
    return ClientAddress(app, proxies)


def with_cors(
    app: ASGIApp, origins: Sequence[str], *, allow: Sequence[str], expose: Sequence[str] = ()
) -> ASGIApp:
    """Let web clients of these origins call; without origins nothing changes."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=list(origins),
        allow_methods=["GET", "POST"],
        allow_headers=list(allow),
        expose_headers=list(expose),
        max_age=7200,
    )
