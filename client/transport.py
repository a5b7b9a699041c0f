"""Carries signed commands to the gateway and brings back answers that may be believed.

One intention may take several attempts: each has a fresh request id and timestamp, all share the idempotency key, so that
the platform acts once. Attempts are bounded in number and in time; waits double and are jittered.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Self, cast

from connectrpc.errors import ConnectError
from google.protobuf.message import DecodeError
from pyqwest import Client, HTTPTransport

from client import signing
from client.clock_skew import SkewedClock
from client.errors import CannotReach, Forged
from client.gateway_keys import GatewayKeys
from client.rpc_errors import Failure, Remedy, failure
from galaxy.edge.v1.edge_connect import EdgeServiceClient
from galaxy.edge.v1.edge_pb2 import (
    Event,
    ExecuteCommandRequest,
    ExecuteCommandResponse,
    RefusalDetail,
    SubscribeEventsRequest,
)
from kit.backoff import Backoff

# The largest answer is a report late in a large game.
_LARGEST_ANSWER = 32 * 1024 * 1024


@dataclass(frozen=True)
class Patience:
    """How long one call may try."""

    attempts: int = 6
    total_seconds: float = 45.0
    attempt_seconds: float = 20.0
    backoff: Backoff = field(
        default_factory=lambda: Backoff(first=timedelta(milliseconds=200), ceiling=timedelta(seconds=5))
    )


class EdgeTransport:
    """One device's way to one gateway. Use as an async context manager."""

    def __init__(
        self,
        edge_url: str,
        signer: signing.DeviceSigner,
        keys: GatewayKeys,
        clock: SkewedClock,
        patience: Patience | None = None,
    ) -> None:
        self.edge_url = edge_url.rstrip("/")
        self.signer = signer
        self.keys = keys
        self.clock = clock
        self._patience = patience or Patience()
        self._stack = AsyncExitStack()
        self._rpc: EdgeServiceClient | None = None

    async def __aenter__(self) -> Self:
        # A pool of its own per device: nothing of one player's connection is shared with another's.
        http = HTTPTransport(tls_include_system_certs=True, follow_redirects=False, enable_otel=False)

        async def close_connections() -> None:
            await http.aclose()

        self._stack.push_async_callback(close_connections)
        self._rpc = await self._stack.enter_async_context(
            EdgeServiceClient(
                self.edge_url,
                http_client=Client(transport=http),
                send_compression=None,
                read_max_bytes=_LARGEST_ANSWER,
            )
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def execute(
        self, message_type: str, payload: bytes, idempotency_key: str = ""
    ) -> ExecuteCommandResponse:
        """Run a command and return its verified answer, whatever its result code.

        Raises a GalaxyError: NotSignedIn, InvalidRequest, CannotReach, Untrusted. May be repeated by the caller under the
        same idempotency key.
        """
        give_up_at = self.clock.monotonic() + self._patience.total_seconds
        clock_corrections = 0
        for attempt in range(self._patience.attempts):
            request = self.signer.command(message_type, payload, idempotency_key, self.clock.now_ms())
            asked_at = self.clock.monotonic()
            outcome = await self._attempt(request)
            if isinstance(outcome, ExecuteCommandResponse):
                return outcome
            if outcome.remedy is Remedy.GIVE_UP or attempt + 1 == self._patience.attempts:
                raise outcome.error
            if outcome.remedy is Remedy.LEARN_TIME:
                clock_corrections += 1
                if clock_corrections > 2 or outcome.detail is None:
                    raise outcome.error
                await self.learn_time(outcome.detail, request, asked_at)
                continue
            wait = max(outcome.wait_seconds, self._patience.backoff.wait_seconds(attempt))
            if self.clock.monotonic() + wait > give_up_at:
                raise outcome.error
            await asyncio.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    async def subscribe(
        self, request: SubscribeEventsRequest, silence_seconds: float
    ) -> AsyncGenerator[Event, None]:
        """Yield the events of one stream as they come, unverified; raise RpcFailed when it ends.

        A gateway that says nothing for `silence_seconds` is taken for gone: it promises a heartbeat.
        """
        # The generated annotation says less than the stub gives: an async generator, which must be closed.
        opened = cast("AsyncGenerator[Event, None]", self._client().subscribe_events(request))
        async with aclosing(opened) as stream:
            while True:
                try:
                    async with asyncio.timeout(silence_seconds):
                        event = await _next(stream)
                except TimeoutError:
                    raise RpcFailed(
                        Failure(Remedy.REPEAT, CannotReach(f"The gateway at {self.edge_url} went silent."))
                    ) from None
                except ConnectError as error:
                    raise RpcFailed(failure(error, self.edge_url)) from error
                if event is None:
                    raise RpcFailed(
                        Failure(
                            Remedy.REPEAT, CannotReach(f"The gateway at {self.edge_url} ended the stream.")
                        )
                    )
                yield event

    async def learn_time(
        self,
        detail: RefusalDetail,
        asked: ExecuteCommandRequest | SubscribeEventsRequest,
        asked_at: float,
    ) -> None:
        """Put the clock right by a refusal that carries the gateway's time, after verifying it."""
        signing.verify_refusal(detail, asked, await self.keys.public_key(detail.key_id))
        self.clock.learn(detail.server_time_ms, asked_at)

    async def _attempt(self, request: ExecuteCommandRequest) -> ExecuteCommandResponse | Failure:
        timeout_ms = round(self._patience.attempt_seconds * 1000)
        try:
            response = await self._client().execute_command(request, timeout_ms=timeout_ms)
        except ConnectError as error:
            return failure(error, self.edge_url)
        except DecodeError as error:
            raise Forged("The answer is not one of the edge protocol.") from error
        signing.verify_response(response, request, await self.keys.public_key(response.key_id))
        return response

    def _client(self) -> EdgeServiceClient:
        assert self._rpc is not None, "use the transport as a context manager"
        return self._rpc


async def _next(stream: AsyncGenerator[Event, None]) -> Event | None:
    try:
        return await anext(stream, None)
    except ConnectError as error:
        # connectrpc dresses a cancelled task up as an RPC error; asyncio's own timeouts need the bare one.
        if isinstance(error.__cause__, asyncio.CancelledError):
            raise error.__cause__ from None
        raise


class RpcFailed(Exception):
    """An event stream ended; `failure` says what may help."""

    def __init__(self, what: Failure) -> None:
        self.failure = what
        super().__init__(str(what.error))
