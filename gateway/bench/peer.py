"""The peer: a bare grpc.aio server that does the same work for a command, straight on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
from opentelemetry.trace import NoOpTracer
from pydantic import SecretStr

from galaxy.edge.v1 import edge_pb2, edge_pb2_grpc, signing
from gateway.keys.service import load_signer
from gateway.pipeline.model import Call, SignedRequest
from gateway.replay.storage import RedisReservations
from gateway.sessions.rest import BackendSessions
from gateway.settings import Settings
from gateway.signatures.service import Verifier
from kit.clock import SystemClock, unix_ms
from kit.redis_pool import open_redis
from kit.rest_client import RestClient


class _Peer(edge_pb2_grpc.EdgeServiceServicer):
    def __init__(self, settings: Settings, backend: RestClient, redis: Any) -> None:
        self._sessions = BackendSessions(backend)
        self._backend = backend
        self._replay = RedisReservations(redis, settings.redis, NoOpTracer(), lambda *_: None)
        self._signer = load_signer(settings.response.signer_private_key_pem_path)
        self._verifier = Verifier()
        self._clock = SystemClock()

    async def ExecuteCommand(self, request: Any, context: Any) -> edge_pb2.ExecuteCommandResponse:  # noqa: N802, ARG002
        signed = SignedRequest(
            Call.EXECUTE_COMMAND,
            request.protocol_version,
            request.device_session_id,
            request.message_type,
            request.timestamp_ms,
            request.request_id,
            request.payload_bytes,
            request.payload_hash,
            request.signature,
        )
        session = await self._sessions.find(signed.device_session_id)
        assert session is not None
        assert signing.payload_hash(signed.payload_bytes) == signed.payload_hash
        assert self._verifier.holds(session.client_public_key, signed)
        now_ms = unix_ms(self._clock.now())
        reservation = await self._replay.reserve(signed.device_session_id, signed.request_id, 121_000, now_ms)
        assert reservation.first
        headers = {"X-User-Id": session.user_id, "X-Device-Session-Id": session.device_session_id}
        answer = await self._backend.call("GET", "/api/v1/user/account", headers=headers)
        payload_hash = signing.payload_hash(answer.body)
        message = signing.response_message(
            "v1",
            signed.device_session_id,
            signed.request_id,
            signed.payload_hash,
            now_ms,
            "ok",
            payload_hash,
            self._signer.key_id,
        )
        return edge_pb2.ExecuteCommandResponse(
            protocol_version="v1",
            request_id=signed.request_id,
            timestamp_ms=now_ms,
            result_code="ok",
            payload_bytes=answer.body,
            payload_hash=payload_hash,
            key_id=self._signer.key_id,
            signature=self._signer.sign(message),
        )

    async def SubscribeEvents(self, request: Any, context: Any) -> AsyncIterator[edge_pb2.Event]:  # noqa: N802, ARG002
        """Stream nothing: commands alone are measured."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "the bench does not stream")
        yield edge_pb2.Event()


async def serve_peer() -> None:
    """Serve for ever with the gateway's own settings; the address is the first line of stdout."""
    settings = Settings.load()
    async with (
        open_redis(settings.redis) as redis,
        RestClient.open(settings.backend.http_url, SecretStr("x" * 16), connections=128) as backend,
    ):
        server = grpc.aio.server()
        edge_pb2_grpc.add_EdgeServiceServicer_to_server(_Peer(settings, backend, redis), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        print(f"127.0.0.1:{port}", flush=True)  # noqa: T201 - the parent reads it
        await asyncio.Event().wait()
