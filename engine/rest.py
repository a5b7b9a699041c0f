"""Contract v1 over HTTP: routes, bodies with limits, and the one table of codes and statuses."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine import wire
from engine.errors import EngineError, InvalidField, Refused
from engine.info import info
from engine.logs import Log
from engine.machine import Machine, Turned
from engine.rules import save

STATUSES = {
    "malformed_json": 400,
    "unauthorized": 401,
    "not_found": 404,
    "no_game": 404,
    "no_report": 404,
    "unknown_player": 404,
    "method_not_allowed": 405,
    "game_exists": 409,
    "game_finished": 409,
    "player_exists": 409,
    "player_out": 409,
    "turn_conflict": 409,
    "wrong_turn": 409,
    "body_too_large": 413,
    "invalid_field": 422,
    "save_corrupt": 422,
    "save_format_unsupported": 422,
    "internal_error": 500,
}
"""Every code of the contract and its status."""

Handler = Callable[[Request], Awaitable[Response]]


def error_response(error: EngineError, request_id: str) -> Response:
    """Return the error body that all parts of the platform share."""
    body = {
        "error": {
            "code": error.code,
            "message": error.message,
            "details": error.details,
            "request_id": request_id,
        }
    }
    return _json(body, STATUSES[error.code])


class Api:
    """The handlers of one machine. One lock serialises them; probes stand outside it, and order checks come to it singly."""

    def __init__(self, machine: Machine, token: str, log: Log, monotonic: Callable[[], float]) -> None:
        self._machine = machine
        self._log = log
        self._monotonic = monotonic
        self._token = token.encode()
        self._lock = asyncio.Lock()
        self._checks = asyncio.Lock()
        self._info = orjson.dumps(info())

    def routes(self) -> list[Route]:
        """Return the routes of contract v1 and the probes."""
        return [
            Route("/healthz", _alive, methods=["GET"]),
            Route("/readyz", _alive, methods=["GET"]),
            self._route("/v1/info", self._get_info, "GET"),
            self._route("/v1/game", self._game, "GET", "PUT"),
            self._route("/v1/orders:check", self._check_orders, "POST"),
            self._route("/v1/turns/{turn:int}", self._run_turn, "POST"),
            self._route("/v1/turns/{turn:int}/reports/{player_id}", self._get_report, "GET"),
            self._route("/v1/save", self._save, "GET", "PUT"),
            self._route("/v1/players/{player_id}:replace", self._replace, "POST"),
            self._route("/v1/players/{player_id}:retire", self._retire, "POST"),
        ]

    def _route(self, path: str, handler: Handler, *methods: str) -> Route:
        async def guarded(request: Request) -> Response:
            self._authorize(request)
            return await handler(request)

        return Route(path, guarded, methods=list(methods))

    def _authorize(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        presented = token.strip().encode("latin-1", "replace")
        if not hmac.compare_digest(presented, self._token) or scheme.lower() != "bearer":
            raise Refused("unauthorized", "This call needs the engine's token.")

    async def _get_info(self, _: Request) -> Response:
        return Response(self._info, media_type="application/json")

    async def _game(self, request: Request) -> Response:
        if request.method != "PUT":
            async with self._lock:
                return _json(self._machine.summary())
        wanted = wire.new_game(await _body(request, wire.LIMITS["body_bytes"]))
        async with self._lock:
            is_new = await asyncio.to_thread(self._machine.create, wanted)
            return _json(self._machine.summary(), 201 if is_new else 200)

    async def _check_orders(self, request: Request) -> Response:
        body = await _body(request, wire.LIMITS["orders_check_body_bytes"])
        # Checks wait for one another out here: before a turn stands at most the one that is being computed.
        async with self._checks, self._lock:
            if await request.is_disconnected():
                return Response(status_code=499)
            return _json(await asyncio.to_thread(lambda: self._machine.check(wire.orders_check(body))))

    async def _run_turn(self, request: Request) -> Response:
        turn = int(request.path_params["turn"])
        body = await _body(request, wire.LIMITS["turn_body_bytes"])
        async with self._lock:
            wanted = await asyncio.to_thread(wire.turn_request, body)
            stored = self._machine.stored_answer(turn, wanted)
            if stored is not None:
                return Response(stored, media_type="application/json")
            turned = await self._compute(turn, wanted)
            if not wanted.dry_run:
                self._machine.keep(turned)
                self._log.write("info", "turn_kept", turn=turn, state_hash=turned.held.state_hash)
            return Response(turned.answer, media_type="application/json")

    async def _compute(self, turn: int, wanted: wire.TurnRequest) -> Turned:
        """Compute a turn in a worker thread, so that probes answer meanwhile."""
        self._log.write(
            "info", "turn_started", turn=turn, turn_request_id=wanted.request_id, dry_run=wanted.dry_run
        )
        started = self._monotonic()
        turned = await asyncio.to_thread(self._machine.compute_turn, turn, wanted)
        taken_ms = round((self._monotonic() - started) * 1000, 3)
        self._log.write(
            "info", "turn_computed", turn=turn, turn_request_id=wanted.request_id, duration_ms=taken_ms
        )
        return turned

    async def _get_report(self, request: Request) -> Response:
        form = request.query_params.get("format", "json")
        if form not in {"json", "text"}:
            raise InvalidField("format", "must be json or text")
        async with self._lock:
            report = self._machine.report(int(request.path_params["turn"]), request.path_params["player_id"])
        if form == "json":
            return Response(report.as_json, media_type="application/json")
        return Response(report.as_text, media_type="text/plain")

    async def _save(self, request: Request) -> Response:
        if request.method != "PUT":
            async with self._lock:
                data, sha256 = await asyncio.to_thread(self._machine.saved)
            headers = {"X-Save-Format": str(save.FORMAT), "X-Save-Sha256": sha256}
            return Response(data, media_type="application/octet-stream", headers=headers)
        save_format = request.headers.get("x-save-format", "")
        if not (save_format.isascii() and save_format.isdigit() and len(save_format) < 10):
            raise InvalidField("X-Save-Format", "must be a whole number")
        sha256 = request.headers.get("x-save-sha256", "")
        if not sha256:
            raise InvalidField("X-Save-Sha256", "is missing")
        data = await _raw_body(request, wire.LIMITS["save_bytes"])
        async with self._lock:
            await asyncio.to_thread(self._machine.restore, data, int(save_format), sha256)
            return _json(self._machine.summary())

    async def _replace(self, request: Request) -> Response:
        new_player = wire.replacement(await _body(request, wire.LIMITS["body_bytes"]))
        async with self._lock:
            self._machine.replace_player(request.path_params["player_id"], new_player)
            return _json(self._machine.summary())

    async def _retire(self, request: Request) -> Response:
        retirement = wire.retirement(await _body(request, wire.LIMITS["body_bytes"]))
        async with self._lock:
            self._machine.retire_player(request.path_params["player_id"], retirement)
            return _json(self._machine.summary())


async def _alive(_: Request) -> Response:
    return _json({"status": "ok"})


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


async def _body(request: Request, limit: int) -> Any:
    raw = await _raw_body(request, limit)
    try:
        # orjson takes neither NaN nor Infinity, and ends a deep nesting by refusing it.
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Refused("malformed_json", f"The body is not JSON: {error}") from error


async def _raw_body(request: Request, limit: int) -> bytes:
    announced = request.headers.get("content-length", "0")
    chunks: list[bytes] = []
    length = int(announced) if announced.isascii() and announced.isdigit() else 0
    received = 0
    if length <= limit:
        async for chunk in request.stream():
            received += len(chunk)
            if received > limit:
                break
            chunks.append(chunk)
    if max(length, received) > limit:
        raise Refused("body_too_large", f"The body is longer than {limit} bytes.", limit=limit)
    return b"".join(chunks)
