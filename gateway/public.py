"""The public listener's application: probes, keys, and the forwarded calls."""

from collections.abc import Awaitable, Callable, Sequence

from fastapi import APIRouter
from opentelemetry.trace import Tracer
from starlette.types import ASGIApp

from gateway.client_address.asgi import ClientAddress
from gateway.client_address.model import TrustedProxies
from gateway.edge.application import with_cors
from gateway.edge.asgi import PatienceLimits
from kit.rest import BodyLimit, RequestContext, add_probes, new_api


def public_application(
    routers: Sequence[APIRouter],
    not_ready: Callable[[], Awaitable[str | None]],
    proxies: TrustedProxies,
    cors_origins: Sequence[str],
    tracer: Tracer,
    body_bytes_max: int,
    *,
    body_seconds: float,
    send_seconds: float,
) -> ASGIApp:
    """Build it; `not_ready` says what `/readyz` waits for."""
    api = new_api("Galaxy gateway, public", docs=False)
    add_probes(api, not_ready)
    for router in routers:
        api.include_router(router)
    app: ASGIApp = BodyLimit(api, body_bytes_max)
    app = RequestContext(app, tracer)
    app = PatienceLimits(app, body_seconds, send_seconds)
    app = with_cors(
        app, cors_origins, allow=("content-type", "accept-language", "traceparent", "idempotency-key")
    )
    return ClientAddress(app, proxies)
