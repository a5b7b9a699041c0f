"""The one application that all families share: mounting, errors of our own, body limits, OpenAPI."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from backend.api.callers import CurrentPlayer
from backend.leadership.errors import LeadershipLost
from kit.rest import ApiError, ServiceAuth, error_response, new_api

_KIB = 1024
PUBLIC_BYTES_MAX = 16 * _KIB
COMMAND_BYTES_MAX = 256 * _KIB
ORDERS_BYTES_MAX = 1024 * _KIB
_ANY_ERROR: dict[str, Any] = {
    "description": "any error",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorEnvelope"}}},
}
_SERVICE = "serviceToken"
_OPERATOR = "operatorToken"


def body_limit(path: str) -> int | None:
    """Return how many bytes a body may hold on this path; None: as commands."""
    if path.startswith("/api/v1/public/"):
        return PUBLIC_BYTES_MAX
    if path.startswith("/api/v1/user/games/") and (path.endswith(("/orders", "/orders/check"))):
        return ORDERS_BYTES_MAX
    return None


def families_api(
    service_auth: ServiceAuth,
    current_player: CurrentPlayer,
    public: Sequence[APIRouter],
    internal: Sequence[APIRouter],
    user: Sequence[APIRouter],
    admin: Sequence[APIRouter],
) -> FastAPI:
    """Mount the rooms' routers under their families, each behind who may call it."""
    app = new_api("Galaxy backend", docs=False)
    app.add_exception_handler(LeadershipLost, _on_leadership_lost)
    guards: Sequence[tuple[str, Sequence[APIRouter], Callable[..., Awaitable[Any]] | None]] = (
        ("public", public, service_auth),
        ("internal", internal, service_auth),
        ("user", user, current_player),
        ("admin", admin, None),  # each admin call names the role that it asks for
    )
    for family, routers, guard in guards:
        for router in routers:
            app.include_router(
                router, prefix=f"/api/v1/{family}", dependencies=[Depends(guard)] if guard else []
            )

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi(_: Annotated[str, Depends(service_auth)]) -> JSONResponse:
        return JSONResponse(described(app))

    @app.get("/api/v1/admin", include_in_schema=False)
    async def operators_index() -> dict[str, str]:
        """Say to whoever opens the address that `make up` prints how to go on; it tells nothing that needs a login."""
        return {
            "what": "the operators' calls of Galaxy's backend",
            "log_in": 'POST /api/v1/admin/login with {"user", "password"}',
            "then": "send the token of the answer as Authorization: Bearer",
            "calls": "described in docs/ARCHITECTURE.md, 3.4, and backend/docs/runbook.md",
        }

    return app


def described(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, with who may call each family."""
    document = app.openapi()
    document.setdefault("components", {})["securitySchemes"] = {
        _SERVICE: {
            "type": "http",
            "scheme": "bearer",
            "description": "a service's token; `user` wants the gateway's",
        },
        _OPERATOR: {"type": "http", "scheme": "bearer", "description": "from POST /api/v1/admin/login"},
    }
    for path, calls in document["paths"].items():
        scheme = _OPERATOR if path.startswith("/api/v1/admin/") else _SERVICE
        for call in calls.values():
            if path != "/api/v1/admin/login":
                call["security"] = [{scheme: []}]
            # Errors are our envelope on every call, also where a success is a page.
            call["responses"]["default"] = _ANY_ERROR
            if "422" in call["responses"]:
                call["responses"]["422"] = {
                    **_ANY_ERROR,
                    "description": "the request does not fit its schema",
                }
    for unused in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)
    return document


async def _on_leadership_lost(_: Request, error: Exception) -> JSONResponse:
    return error_response(
        ApiError(
            503,
            "service_unavailable",
            "another backend took over; ask again",
            {"reason": str(error)},
            {"Retry-After": "1"},
        )
    )
