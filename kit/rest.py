"""What all our HTTP surfaces share: the error envelope, service tokens, request context, body limits, paging.

Errors everywhere: `{"error": {"code", "message", "details", "request_id"}}`.
"""

import hmac
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Generic, TypeVar

import orjson
import structlog
from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from opentelemetry import trace
from pydantic import BaseModel, ConfigDict, SecretStr
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kit.absence import StoreAway
from kit.ids import uuid7
from kit.logs import get_logger
from kit.refusals import Refusal, RefusalKind
from kit.telemetry import span

_log = get_logger("rest")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.\-]{1,128}")
ROW = TypeVar("ROW")


class ApiError(Exception):
    """An answer that is no success, as an edge decided it: status, stable code, a sentence, details."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = dict(details or {})
        self.headers = dict(headers or {})


class ErrorBody(BaseModel):
    """Inside of the envelope."""

    code: str
    message: str
    details: dict[str, Any] = {}
    request_id: str = ""


class ErrorEnvelope(BaseModel):
    """Every answer that is no success."""

    error: ErrorBody


class Schema(BaseModel):
    """Base of request and response bodies: unknown fields are refused, so that a typo is heard."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Page(BaseModel, Generic[ROW]):
    """One page of a list."""

    items: list[ROW]
    page: int
    page_size: int
    total: int


class Paging:
    """Which page a list should give: `page` from 1, `page_size` at most 200."""

    def __init__(
        self,
        page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
        page_size: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> None:
        self.page = page
        self.page_size = page_size

    @property
    def offset(self) -> int:
        """Return how many rows lie before this page."""
        return (self.page - 1) * self.page_size

    def of(self, items: Sequence[ROW], total: int) -> Page[ROW]:
        """Wrap the rows of this page."""
        return Page(items=list(items), page=self.page, page_size=self.page_size, total=total)


def error_response(error: ApiError) -> JSONResponse:
    """Write an ApiError as the envelope."""
    request_id = str(structlog.contextvars.get_contextvars().get("request_id", ""))
    body = {
        "error": {
            "code": error.code,
            "message": error.message,
            "details": error.details,
            "request_id": request_id,
        }
    }
    return JSONResponse(body, status_code=error.status, headers=error.headers)


def new_api(title: str, version: str = "1", *, docs: bool = True, **options: Any) -> FastAPI:
    """Build a FastAPI application whose every error is our envelope; `docs` serves /openapi.json."""
    app = FastAPI(
        title=title,
        version=version,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if docs else None,
        responses={"default": {"model": ErrorEnvelope, "description": "any error"}},
        **options,
    )
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(Refusal, _on_refusal)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(StarletteHTTPException, _on_http_exception)
    app.add_exception_handler(Exception, _on_defect)
    app.add_exception_handler(StoreAway, _on_store_away)
    return app


async def _on_api_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return error_response(error)


STATUS_OF_KIND: Mapping[RefusalKind, int] = {
    RefusalKind.INVALID: 422,
    RefusalKind.UNAUTHENTICATED: 401,
    RefusalKind.FORBIDDEN: 403,
    RefusalKind.NOT_FOUND: 404,
    RefusalKind.CONFLICT: 409,
    RefusalKind.GONE: 410,
    RefusalKind.TOO_MANY: 429,
    RefusalKind.UNAVAILABLE: 503,
}
"""How refusals are answered over HTTP."""


async def _on_refusal(_: Request, refusal: Exception) -> JSONResponse:
    assert isinstance(refusal, Refusal)
    wait = refusal.retry_after_seconds
    headers = {"Retry-After": str(wait)} if wait is not None else {}
    status = STATUS_OF_KIND[refusal.kind]
    return error_response(ApiError(status, refusal.code, refusal.message, refusal.details, headers))


async def _on_invalid_request(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = [
        {"field": ".".join(str(part) for part in problem["loc"][1:]) or "body", "problem": problem["msg"]}
        for problem in error.errors()
    ]
    not_json = any(problem["type"] == "json_invalid" for problem in error.errors())
    status = HTTPStatus.BAD_REQUEST if not_json else HTTPStatus.UNPROCESSABLE_ENTITY
    return error_response(
        ApiError(status, "invalid_request", "the request does not fit its schema", {"fields": problems[:20]})
    )


async def _on_http_exception(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    code = phrase.lower().replace(" ", "_").replace("-", "_")
    return error_response(ApiError(error.status_code, code, phrase, headers=error.headers))


async def _on_store_away(_: Request, error: Exception) -> JSONResponse:
    _log.warning("store_away", reason=str(error))
    return error_response(
        ApiError(
            503, "service_unavailable", "a store is away; try again shortly", headers={"Retry-After": "2"}
        )
    )


async def _on_defect(_: Request, __: Exception) -> JSONResponse:
    # Whoever serves this answer hears of the exception too (RequestContext logs it).
    return error_response(ApiError(500, "internal", "an unexpected error; it has been logged"))


class ServiceAuth:
    """FastAPI dependency: lets callers in that hold a service token and gives the caller's name.

    Tokens are compared in constant time, all of them, so that timing tells nothing.
    """

    def __init__(self, tokens: Sequence[tuple[str, SecretStr]]) -> None:
        self._tokens = [(caller, token.get_secret_value().encode()) for caller, token in tokens]

    def caller_of(self, authorization: str | None) -> str | None:
        """Return who sent this Authorization value, or None."""
        scheme, _, given = (authorization or "").partition(" ")
        presented = given.strip().encode() if scheme.lower() == "bearer" else b""
        found = None
        for caller, token in self._tokens:
            if hmac.compare_digest(token, presented):
                found = caller
        return found

    async def __call__(self, request: Request) -> str:
        """Return the caller's name. Raises ApiError 401."""
        caller = self.caller_of(request.headers.get("authorization"))
        if caller is None:
            raise ApiError(
                401,
                "unauthenticated",
                "this surface answers trusted services only",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return caller


class RequestContext:
    """ASGI middleware: request id, trace, one log line a request, and defects turned into a bare 500."""

    def __init__(
        self, app: ASGIApp, tracer: trace.Tracer, quiet_paths: tuple[str, ...] = ("/healthz", "/readyz")
    ) -> None:
        self._app = app
        self._tracer = tracer
        self._quiet = frozenset(quiet_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in self._quiet:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid7()
        began = time.perf_counter()
        status = 0
        whole = False

        async def tell(message: Message) -> None:
            nonlocal status, whole
            whole = message["type"] == "http.response.body" and not message.get("more_body", False)
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            await send(message)

        carrier = {"traceparent": headers["traceparent"]} if "traceparent" in headers else None
        with span(self._tracer, f"{scope['method']} {scope['path']}", carrier, request_id=request_id):
            try:
                await self._app(scope, receive, tell)
            except Exception as error:
                _log.exception("request_failed", method=scope["method"], path=scope["path"])
                if status and not whole:
                    raise
                if not status:
                    await (await _on_defect(Request(scope), error))(scope, receive, tell)
            finally:
                _log.info(
                    "request_served",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    duration_ms=round((time.perf_counter() - began) * 1000, 1),
                )


class BodyLimit:
    """ASGI middleware: refuses bodies over a limit with 413, declared or streamed."""

    def __init__(
        self, app: ASGIApp, default_bytes_max: int, by_path: Callable[[str], int | None] | None = None
    ) -> None:
        """`by_path` may give another limit for a path."""
        self._app = app
        self._default = default_bytes_max
        self._by_path = by_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = (self._by_path(scope["path"]) if self._by_path else None) or self._default
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            await _too_large(limit)(scope, receive, send)
            return
        seen = 0
        started = over = False

        async def counted() -> Message:
            nonlocal seen, over
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                over = True
                raise _BodyTooLarge
            return message

        async def watched(message: Message) -> None:
            nonlocal started
            if over and not started:
                return  # frameworks answer a body that breaks off in their own way; ours comes below
            started = True
            await send(message)

        try:
            await self._app(scope, counted, watched)
        except _BodyTooLarge:
            if started:
                raise
        if over and not started:
            await _too_large(limit)(scope, receive, send)


class _BodyTooLarge(Exception):
    """More bytes came than the limit allows."""


def _too_large(limit: int) -> JSONResponse:
    return error_response(
        ApiError(413, "payload_too_large", f"the body may hold {limit} bytes at most", {"limit_bytes": limit})
    )


def add_probes(app: FastAPI, not_ready: Callable[[], Awaitable[str | None]]) -> None:
    """Serve `/healthz` (always 200) and `/readyz` (503 with the reason that `not_ready` gives, else 200)."""

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> MutableMapping[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> JSONResponse:
        reason = await not_ready()
        return JSONResponse({"status": reason or "ready"}, status_code=503 if reason else 200)


def dumps(value: Any) -> bytes:
    """Write JSON in the one way that all services share."""
    return orjson.dumps(value)
