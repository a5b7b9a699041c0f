"""Forwarding public calls."""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from gateway.client_address.model import household_of
from gateway.limits.errors import RateLimited
from gateway.limits.rates import RateLimit
from gateway.public_auth.ports import Upstream
from gateway.public_auth.table import PUBLIC_ROUTES
from kit.logs import get_logger
from kit.rest import ApiError
from kit.rest_client import PeerUnavailable

_log = get_logger("public_auth")
_PASSED_UP = ("content-type", "accept", "accept-language", "user-agent", "idempotency-key")
_PASSED_DOWN = (
    "content-type",
    "retry-after",
    "cache-control",
    "location",
    "content-security-policy",
    "referrer-policy",
    "x-frame-options",
    "x-content-type-options",
)


def forwarding_router(upstream: Upstream | None, rate: RateLimit) -> APIRouter:
    """Serve the declared calls; without an upstream they stay mounted and answer 503."""
    router = APIRouter()

    async def forward(request: Request) -> Response:
        client = request.client.host if request.client else ""
        try:
            rate.take(household_of(client))
        except RateLimited as refusal:
            wait = max(1, round(int(refusal.details["retry_after_ms"]) / 1000))
            raise ApiError(
                429, refusal.code, refusal.message, headers={"Retry-After": str(wait)}
            ) from refusal
        try:
            body = await request.body()
        except ClientDisconnect as error:
            raise ApiError(408, "request_timeout", "the body did not come whole and in time") from error
        if upstream is None:
            raise _unavailable()
        query = request.scope["query_string"].decode("latin-1")
        path = request.scope["path"]
        headers = {name: request.headers[name] for name in _PASSED_UP if name in request.headers}
        # Whatever the client claims of its way here, the backend hears the address that we found.
        headers["X-Forwarded-For"] = client
        try:
            answer = await upstream.call(
                request.method, f"{path}?{query}" if query else path, body=body or None, headers=headers
            )
        except PeerUnavailable as error:
            _log.warning("backend_unavailable", path=path, reason=str(error))
            raise _unavailable() from error
        given = {name.lower(): value for name, value in answer.headers.items()}
        kept = {name: given[name] for name in _PASSED_DOWN if name in given}
        return Response(answer.body, answer.status, kept)

    for route in PUBLIC_ROUTES:
        router.add_api_route(route.path, forward, methods=list(route.methods), include_in_schema=False)
    return router


def _unavailable() -> ApiError:
    return ApiError(
        503,
        "service_unavailable",
        "sign-in is not available just now; try again shortly",
        headers={"Retry-After": "2"},
    )
