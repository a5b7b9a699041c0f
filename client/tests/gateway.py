"""A small real gateway for the client's tests: it verifies every signature and signs every answer, over real sockets.

What the platform behind it would say is given by `handlers`; faults are asked for by the fields below. It is no model of
the real gateway's rules: those are tested with the real one.
"""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from connectrpc.code import Code
from connectrpc.errors import ConnectError, ErrorDetail
from connectrpc.request import RequestContext
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from protobuf.wkt import Any as ProtoAny
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from galaxy.edge.v1 import signing
from galaxy.edge.v1.edge_connect import EdgeServiceASGIApplication
from galaxy.edge.v1.edge_pb2 import (
    Event,
    ExecuteCommandRequest,
    ExecuteCommandResponse,
    RefusalDetail,
    SubscribeEventsRequest,
)
from kit.ids import uuid7

Handler = Callable[[dict[str, Any]], tuple[str, Any]]


@dataclass
class Signer:
    """A gateway's key."""

    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    @property
    def key_id(self) -> str:
        return signing.key_id_of(self.public)


@dataclass
class Seen:
    """A command that passed verification."""

    message_type: str
    payload: dict[str, Any]
    request_id: str
    idempotency_key: str


class Gateway:
    """State and knobs of the test gateway."""

    def __init__(self) -> None:
        self.signer = Signer()
        self.published: list[tuple[Signer, str]] = [(self.signer, "active")]
        self.sessions: dict[str, tuple[str, bytes]] = {}
        self.revoked: set[str] = set()
        self.handlers: dict[str, Handler] = {}
        self.seen: list[Seen] = []
        self.request_ids: set[str] = set()
        self.subscriptions: list[list[dict[str, str]]] = []
        self.streams: list[asyncio.Queue[Event | ConnectError]] = []
        self.stream_opened = asyncio.Event()
        self.code = "123456"
        self.challenges: list[str] = []
        self.tries_left = 0
        self.clock_offset_ms = 0
        self.failures: list[ConnectError] = []
        self.tamper: Callable[[ExecuteCommandResponse], None] | None = None
        self.tamper_event: Callable[[Event], None] | None = None
        self.sign_refusals_with: Signer | None = None
        self.keys_asked = 0
        self.url = ""

    def now_ms(self) -> int:
        return int(time.time() * 1000) + self.clock_offset_ms

    def published_keys(self) -> list[dict[str, str]]:
        return [
            {
                "key_id": signer.key_id,
                "algorithm": "Ed25519",
                "public_key": base64.b64encode(signer.public).decode(),
                "status": status,
            }
            for signer, status in self.published
        ]

    # --- the edge

    async def execute_command(
        self, request: ExecuteCommandRequest, ctx: RequestContext[Any, Any], /
    ) -> ExecuteCommandResponse:
        if self.failures:
            raise self.failures.pop(0)
        self._verify(request, request.idempotency_key)
        payload = json.loads(request.payload_bytes) if request.payload_bytes else {}
        self.seen.append(Seen(request.message_type, payload, request.request_id, request.idempotency_key))
        handler = self.handlers.get(request.message_type)
        if handler is None:
            raise ConnectError(Code.UNIMPLEMENTED, "no route for the message type")
        result_code, body = handler(payload)
        raw = json.dumps(body).encode()
        response = ExecuteCommandResponse(
            protocol_version="v1",
            request_id=request.request_id,
            timestamp_ms=self.now_ms(),
            result_code=result_code,
            payload_bytes=raw,
            payload_hash=signing.payload_hash(raw),
            key_id=self.signer.key_id,
        )
        response.signature = self.signer.private.sign(
            signing.response_message(
                "v1",
                request.device_session_id,
                request.request_id,
                request.payload_hash,
                response.timestamp_ms,
                result_code,
                response.payload_hash,
                response.key_id,
            )
        )
        if self.tamper:
            self.tamper(response)
        return response

    async def subscribe_events(
        self, request: SubscribeEventsRequest, ctx: RequestContext[Any, Any], /
    ) -> AsyncIterator[Event]:
        if self.failures:
            raise self.failures.pop(0)
        self._verify(request, "")
        payload = json.loads(request.payload_bytes) if request.payload_bytes else {}
        self.subscriptions.append(payload.get("resume_after", []))
        queue: asyncio.Queue[Event | ConnectError] = asyncio.Queue()
        self.streams.append(queue)
        self.stream_opened.set()
        first = self.event(
            request.device_session_id, "gateway.server_time", {}, signed_cursor=request.request_id
        )
        try:
            yield first
            while True:
                item = await queue.get()
                if isinstance(item, ConnectError):
                    raise item
                yield item
        finally:
            self.streams.remove(queue)

    def event(
        self,
        user_id: str,
        event_type: str,
        payload: dict[str, Any],
        *,
        cursor: str = "",
        event_id: str = "",
        signed_cursor: str | None = None,
        timestamp_ms: int | None = None,
    ) -> Event:
        """Return a signed event for a user (for the first one of a stream: a session)."""
        raw = json.dumps(payload).encode()
        event = Event(
            event_type=event_type,
            event_id=event_id or uuid7(),
            timestamp_ms=self.now_ms() if timestamp_ms is None else timestamp_ms,
            cursor=cursor,
            payload_bytes=raw,
            payload_hash=signing.payload_hash(raw),
            key_id=self.signer.key_id,
        )
        event.signature = self.signer.private.sign(
            signing.event_message(
                user_id,
                event_type,
                event.event_id,
                cursor if signed_cursor is None else signed_cursor,
                event.timestamp_ms,
                event.payload_hash,
                event.key_id,
            )
        )
        if self.tamper_event:
            self.tamper_event(event)
        return event

    def publish(self, item: Event | ConnectError) -> None:
        """Send an event, or the end, to every open stream."""
        for queue in self.streams:
            queue.put_nowait(item)

    async def wait_for_stream(self) -> None:
        """Wait until a stream is open that was not there at the last call."""
        async with asyncio.timeout(5):
            await self.stream_opened.wait()
        self.stream_opened.clear()

    def _verify(self, request: ExecuteCommandRequest | SubscribeEventsRequest, idempotency_key: str) -> None:
        session = self.sessions.get(request.device_session_id)
        if session is None:
            raise ConnectError(Code.UNAUTHENTICATED, "unauthenticated")
        if request.device_session_id in self.revoked:
            raise refused("session_revoked", "device session is revoked")
        if signing.payload_hash(request.payload_bytes) != request.payload_hash:
            raise ConnectError(Code.INVALID_ARGUMENT, "payload_hash")
        message = signing.request_message(
            request.protocol_version,
            request.device_session_id,
            request.message_type,
            request.timestamp_ms,
            request.request_id,
            idempotency_key,
            request.payload_hash,
        )
        try:
            Ed25519PublicKey.from_public_bytes(session[1]).verify(request.signature, message)
        except InvalidSignature:
            raise ConnectError(Code.UNAUTHENTICATED, "unauthenticated") from None
        if abs(request.timestamp_ms - self.now_ms()) > 60_000:
            raise self._stale(request)
        if request.request_id in self.request_ids:
            raise refused("replayed_request", "request was seen before")
        self.request_ids.add(request.request_id)

    def _stale(self, request: ExecuteCommandRequest | SubscribeEventsRequest) -> ConnectError:
        signer = self.sign_refusals_with or self.signer
        now = self.now_ms()
        signature = signer.private.sign(
            signing.refusal_message(
                request.device_session_id, request.request_id, "stale_timestamp", now, self.signer.key_id
            )
        )
        return refused(
            "stale_timestamp",
            "timestamp is outside the window",
            server_time_ms=now,
            key_id=self.signer.key_id,
            signature=signature,
        )

    # --- the public side

    async def _keys(self, request: Request) -> JSONResponse:
        self.keys_asked += 1
        return JSONResponse({"keys": self.published_keys()})

    async def _send(self, request: Request) -> JSONResponse:
        self.challenges.append(uuid7())
        self.tries_left = 5
        return JSONResponse(
            {
                "challenge_id": self.challenges[-1],
                "expires_at": "2030-01-01T00:00:00.000Z",
                "mail_delayed": False,
            }
        )

    async def _confirm(self, request: Request) -> JSONResponse:
        body = await request.json()
        if body["challenge_id"] != self.challenges[-1] or not self.tries_left:
            return _auth_error(410, "auth.challenge_over", "This code is no longer valid; ask for a new one.")
        if body["code"] != self.code:
            self.tries_left -= 1
            return _auth_error(401, "auth.code_wrong", "This is not the code.", tries_left=self.tries_left)
        session, user = uuid7(), uuid7()
        self.sessions[session] = (user, base64.b64decode(body["client_public_key"]))
        return JSONResponse({"device_session_id": session, "user_id": user, "new_account": True})

    def app(self) -> Starlette:
        """Return both sides as one application."""
        edge = EdgeServiceASGIApplication(self)
        return Starlette(
            routes=[
                Route("/api/v1/public/keys", self._keys),
                Route("/api/v1/public/auth/send-email-code", self._send, methods=["POST"]),
                Route("/api/v1/public/auth/confirm-email-code", self._confirm, methods=["POST"]),
                Mount("/", app=edge),
            ]
        )


def _auth_error(status: int, code: str, message: str, **details: Any) -> JSONResponse:
    error = {"code": code, "message": message, "details": details, "request_id": "r1"}
    return JSONResponse({"error": error}, status_code=status)


def refused(reason: str, message: str, code: Code = Code.FAILED_PRECONDITION, **fields: Any) -> ConnectError:
    """Return a refusal of the pipeline with its detail."""
    detail = RefusalDetail(reason=reason, **fields)
    return ConnectError(
        code,
        message,
        details=[
            ErrorDetail(
                ProtoAny(
                    type_url="type.googleapis.com/galaxy.edge.v1.RefusalDetail",
                    value=detail.SerializeToString(),
                )
            )
        ],
    )


@asynccontextmanager
async def running(gateway: Gateway, port: int = 0) -> AsyncIterator[Gateway]:
    """Serve a gateway on a port of this machine."""
    config = uvicorn.Config(
        gateway.app(), host="127.0.0.1", port=port, log_level="warning", lifespan="off", ws="none"
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server._serve())
    try:
        async with asyncio.timeout(5):
            while not server.started:
                await asyncio.sleep(0.01)
        gateway.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        yield gateway
    finally:
        gateway.publish(ConnectError(Code.UNAVAILABLE, "gateway is shutting down"))
        server.should_exit = True
        await task
