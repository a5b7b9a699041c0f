"""Keeps a player's event stream open: verifies, resumes, reconnects.

Guarantees to the caller: every event is verified; none is given twice while this object lives; an interruption of any
kind resumes behind the last event that the caller has *dealt with* (asked for the next one); where events were lost, a
`gateway.resync_required` says so. A forged event ends the stream with an error: it is never skipped over.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

from client import signing
from client.errors import Forged, GalaxyError
from client.events.cursors import Cursors
from client.events.model import CONNECTED, HEARTBEAT, Event, from_wire
from client.rpc_errors import Failure, Remedy
from client.transport import EdgeTransport, RpcFailed
from galaxy.edge.v1 import edge_pb2
from kit.backoff import Backoff

_BACKOFF = Backoff(first=timedelta(milliseconds=250), ceiling=timedelta(seconds=15))


@dataclass(frozen=True)
class Watchfulness:
    """When a stream is given up, in seconds."""

    # The gateway promises a heartbeat every 25 s: two missing and a little.
    silence_seconds: float = 60.0
    # How long to try for a connection before the caller hears of it; None: for ever.
    patience_seconds: float | None = 120.0


class EventStream:
    """The events of one user as an async iterator; `cursors` may be kept and given to the next one.

    `on_interruption` hears once of each interruption, before the first try to reconnect; the `gateway.server_time` that
    comes after it says that the stream is back.
    """

    def __init__(
        self,
        transport: EdgeTransport,
        user_id: str,
        *,
        resume_after: Mapping[str, str] | None = None,
        watchfulness: Watchfulness | None = None,
        backoff: Backoff = _BACKOFF,
        on_interruption: Callable[[GalaxyError], None] | None = None,
    ) -> None:
        self._transport = transport
        self._user_id = user_id
        self._cursors = Cursors(resume_after)
        self._watchfulness = watchfulness or Watchfulness()
        self._backoff = backoff
        self._on_interruption = on_interruption
        self._failures = 0
        self._last_heard = transport.clock.monotonic()

    @property
    def cursors(self) -> dict[str, str]:
        """Return where the caller stands, one cursor a lane."""
        return self._cursors.by_lane()

    def deal_with(self, event: Event) -> None:
        """Move behind an event before leaving the loop; asking for the next one does it otherwise."""
        self._cursors.passed_on(event)

    async def __aiter__(self) -> AsyncGenerator[Event, None]:
        """Yield events for ever; raise SessionRevoked, NotSignedIn, Untrusted, or CannotReach after the patience."""
        self._last_heard = self._transport.clock.monotonic()
        while True:
            payload = self._cursors.payload()
            request = self._transport.signer.subscription(payload, self._transport.clock.now_ms())
            asked_at = self._transport.clock.monotonic()
            try:
                async with aclosing(self._one_stream(request, asked_at)) as events:
                    async for event in events:
                        yield event
            except RpcFailed as ended:
                await self._recover(ended.failure, request, asked_at)

    async def _one_stream(
        self, request: edge_pb2.SubscribeEventsRequest, asked_at: float
    ) -> AsyncGenerator[Event, None]:
        heartbeat_ms = 0
        first = True
        stream = self._transport.subscribe(request, self._watchfulness.silence_seconds)
        async with aclosing(stream) as arrivals:
            async for arrived in arrivals:
                event = await self._believe(arrived, request, first=first)
                if first:
                    self._transport.clock.learn(arrived.timestamp_ms, asked_at)
                first = False
                self._failures = 0
                self._last_heard = self._transport.clock.monotonic()
                if event.event_type == HEARTBEAT:
                    # An old heartbeat played again would hide that the stream is dead.
                    if arrived.timestamp_ms < heartbeat_ms:
                        raise Forged("A heartbeat was played again.")
                    heartbeat_ms = arrived.timestamp_ms
                    continue
                if self._cursors.is_repeat(event):
                    continue
                yield event
                self._cursors.passed_on(event)

    async def _believe(
        self, arrived: edge_pb2.Event, request: edge_pb2.SubscribeEventsRequest, *, first: bool
    ) -> Event:
        public_key = await self._transport.keys.public_key(arrived.key_id)
        if first != (arrived.event_type == CONNECTED):
            raise Forged("The stream does not begin as a stream of this request does.")
        if first:
            signing.verify_server_time_event(arrived, request, public_key)
        else:
            signing.verify_event(arrived, self._user_id, public_key)
        try:
            return from_wire(arrived)
        except ValueError as error:
            raise Forged(f"The event {arrived.event_type} cannot be read.") from error

    async def _recover(
        self, what: Failure, request: edge_pb2.SubscribeEventsRequest, asked_at: float
    ) -> None:
        if what.remedy is Remedy.GIVE_UP:
            raise what.error
        self._failures += 1
        if what.remedy is Remedy.LEARN_TIME:
            if what.detail is None or self._failures > 2:
                raise what.error
            await self._transport.learn_time(what.detail, request, asked_at)
            return
        wait = max(what.wait_seconds, self._backoff.wait_seconds(self._failures - 1))
        self._raise_if_out_of_patience(wait, what.error)
        if self._failures == 1 and self._on_interruption is not None:
            self._on_interruption(what.error)
        await asyncio.sleep(wait)

    def _raise_if_out_of_patience(self, wait: float, error: GalaxyError) -> None:
        patience = self._watchfulness.patience_seconds
        if patience is not None and self._transport.clock.monotonic() + wait - self._last_heard > patience:
            raise error
