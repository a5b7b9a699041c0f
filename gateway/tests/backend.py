"""A small backend for tests, over real sockets: the internal session call, player and public calls, the push listener."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import grpc.aio
import orjson
from aiohttp import web
from google.protobuf.timestamp_pb2 import Timestamp

from galaxy.push.v1 import push_pb2, push_pb2_grpc
from gateway.tests.player import Player
from kit.clock import rfc3339

TOKEN = "a-service-token-of-the-gateway"


class FakeBackend:
    """Answers as the real one does, remembers what it was asked, and can be told to misbehave."""

    def __init__(self) -> None:
        self.sessions: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, str, Mapping[str, str], bytes]] = []
        self.lookups = 0
        self.answers: dict[str, tuple[int, Any]] = {}
        """Path → status and body instead of an echo."""
        self.away = False
        self.hold: asyncio.Event | None = None
        """While set and not fired, player calls wait on it; `held` tells that one waits."""
        self.held = asyncio.Event()
        self.lookup_hold: asyncio.Event | None = None
        self.lookup_held = asyncio.Event()
        self.url = ""

    def admit(self, player: Player, created_at: datetime | None = None) -> Player:
        """Sign a player in."""
        created_at = created_at or datetime.now(UTC) + timedelta(hours=1)
        self.sessions[player.device_session_id] = {
            "device_session_id": player.device_session_id,
            "user_id": player.user_id,
            "status": "active",
            "client_public_key": player.public_key,
            "created_at": rfc3339(created_at),
            "revoked_at": None,
        }
        return player

    def revoke(self, player: Player) -> None:
        """Record a revocation."""
        self.sessions[player.device_session_id]["status"] = "revoked"

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FakeBackend"]:
        """Serve for the length of the context."""
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_get("/api/v1/internal/sessions/{id}", self._session)
        app.router.add_route("*", "/{path:.*}", self._echo)
        runner = web.AppRunner(app, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _session(self, request: web.Request) -> web.Response:
        self.lookups += 1
        if self.away:
            return web.Response(status=503)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _error(401, "unauthenticated")
        session = self.sessions.get(request.match_info["id"])
        answer = _error(404, "session.not_found") if session is None else _json(200, session)
        if self.lookup_hold is not None:
            self.lookup_held.set()
            await self.lookup_hold.wait()
        return answer

    async def _echo(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.calls.append((request.method, request.path_qs, request.headers, body))
        if self.away:
            return web.Response(status=503)
        if self.hold is not None:
            self.held.set()
            await self.hold.wait()
        status, answer = self.answers.get(request.path, (200, None))
        if answer is None:
            answer = {
                "method": request.method,
                "path": request.path_qs,
                "body": body.decode(errors="replace"),
            }
        return _json(status, answer)


def _json(status: int, body: Any) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")


def _error(status: int, code: str) -> web.Response:
    return _json(status, {"error": {"code": code, "message": code, "details": {}, "request_id": ""}})


class FakePush(push_pb2_grpc.PushServicer):
    """A push ring with the real one's manners."""

    def __init__(self) -> None:
        self.epoch = "epoch-1"
        self.frames: list[push_pb2.PushEvent] = []
        self.reaches_back_to = 0
        self.requests: list[push_pb2.SubscribePushRequest] = []
        self.subscribed = asyncio.Event()
        self.broken = asyncio.Event()
        """Fired by `cut` to end the subscriptions there are."""
        self._grown = asyncio.Event()
        self.target = ""

    async def emit(self, **kind: Any) -> push_pb2.PushEvent:
        """Add a frame to the ring."""
        at = Timestamp()
        at.GetCurrentTime()
        frame = push_pb2.PushEvent(
            epoch=self.epoch, offset=len(self.frames) + 1, occurred_at=at, request_id="r" * 22, **kind
        )
        self.frames.append(frame)
        self._grown.set()
        return frame

    async def tell(
        self, user_id: str, event_id: str, payload: bytes = b"{}", session: str | None = None
    ) -> None:
        """Add a client event."""
        await self.emit(
            client_event=push_pb2.ClientEvent(
                user_id=user_id,
                device_session_id=session,
                event_type="game.changed",
                event_id=event_id,
                payload_bytes=payload,
            )
        )

    async def begin_anew(self) -> None:
        """Lose everything, as a restart of the backend does."""
        self.epoch += "-next"
        self.frames = []

    def cut(self) -> None:
        """End the subscriptions there are."""
        self.subscribed = asyncio.Event()
        broken, self.broken = self.broken, asyncio.Event()
        broken.set()
        self._grown.set()

    async def SubscribePush(  # noqa: N802 - push.proto's name
        self, request: Any, context: Any
    ) -> AsyncIterator[push_pb2.PushEvent]:
        if dict(context.invocation_metadata()).get("authorization") != f"Bearer {TOKEN}":
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "this surface answers trusted services only")
        self.requests.append(request)
        broken = self.broken
        at = request.resume_after
        known = at.epoch == self.epoch and self.reaches_back_to <= at.offset <= len(self.frames)
        offset = at.offset if known else len(self.frames)
        await context.send_initial_metadata(())
        if not known:
            yield push_pb2.PushEvent(epoch=self.epoch, offset=offset, resync=push_pb2.Resync())
        if not request.gateway_client_id.endswith(".resume"):
            self.subscribed.set()
        while not broken.is_set():
            self._grown.clear()
            while offset < len(self.frames):
                yield self.frames[offset]
                offset += 1
            if broken.is_set():
                break
            await self._grown.wait()
        await context.abort(grpc.StatusCode.UNAVAILABLE, "cut")

    @asynccontextmanager
    async def running(self, target: str = "127.0.0.1:0") -> AsyncIterator["FakePush"]:
        """Serve for the length of the context."""
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        push_pb2_grpc.add_PushServicer_to_server(self, server)
        port = server.add_insecure_port(target)
        self.target = f"127.0.0.1:{port}"
        await server.start()
        try:
            yield self
        finally:
            self.cut()
            await server.stop(0)
