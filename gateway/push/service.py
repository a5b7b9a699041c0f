"""Opening a stream and feeding it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from gateway.pipeline.model import Passage
from gateway.pipeline.service import Pipeline
from gateway.push.errors import GatewayShuttingDown, StreamOverflowed
from gateway.push.event_signing import EventSigner, SignedEvent
from gateway.push.gateway_events import GatewayEvents
from gateway.push.hub import PushHub
from gateway.push.model import Cursor, PushEvent, StreamEnd
from gateway.push.ports import LaneSource
from gateway.push.resume import resume_after
from gateway.push.stream import PushStream
from gateway.sessions.errors import SessionRevoked
from gateway.sessions.model import Session
from kit.logs import get_logger
from kit.refusals import Refusal

_log = get_logger("push")
_LANE_PATIENCE_SECONDS = 3.0
"""How long a resume waits for its lane to begin: clients come back sooner than our subscriptions after a restart."""


class Subscriptions:
    """Opens streams: registered in the hub before the session is looked up, admitted by the whole pipeline."""

    def __init__(
        self,
        pipeline: Pipeline,
        hub: PushHub,
        events: GatewayEvents,
        event_signer: EventSigner,
        sources: Sequence[LaneSource],
        heartbeat_interval: timedelta,
    ) -> None:
        self._pipeline = pipeline
        self._hub = hub
        self._events = events
        self._event_signer = event_signer
        self._sources = {source.lane: source for source in sources}
        self._heartbeat_seconds = heartbeat_interval.total_seconds()

    async def open(self, passage: Passage) -> "Subscription":
        """Admit a subscription. Raises the Refusal of a stage; then nothing stays registered."""
        watch = _Registration(self._hub)
        passage.watch = watch
        try:
            session = await self._pipeline.admit(passage)
            cursors = resume_after(passage.request.payload_bytes)
            assert watch.stream is not None
            return Subscription(self, watch.stream, session, passage.request.request_id, cursors)
        except BaseException:
            watch.withdraw()
            raise

    async def feed(self, subscription: "Subscription") -> AsyncIterator[SignedEvent]:
        """Yield the stream's events until it is ended by us, which raises the terminal Refusal."""
        stream = subscription.stream
        user_id = stream.user_id
        first = self._events.server_time(user_id)
        yield self._event_signer.sign_first(first, stream.device_session_id, subscription.request_id)
        for cursor in subscription.cursors:
            for event in await self._replay(stream, cursor):
                if stream.ended is StreamEnd.REVOKED:
                    raise _terminal(stream)
                yield self._event_signer.sign(event)
                subscription.events_sent += 1
        heartbeat = _Heartbeat(stream, self._heartbeat_seconds)
        try:
            while True:
                pause = stream.pause()
                if pause is not None:
                    await pause
                if stream.is_over:
                    raise _terminal(stream)
                for event in stream.drain():
                    if stream.ended is StreamEnd.REVOKED:
                        raise _terminal(stream)
                    yield self._event_signer.sign(event)
                    subscription.events_sent += 1
                if heartbeat.is_due:
                    heartbeat.wait_anew()
                    yield self._event_signer.sign(self._events.heartbeat(user_id))
        finally:
            heartbeat.stop()

    def close(self, stream: PushStream) -> None:
        """Take a stream out of the hub."""
        self._hub.remove(stream)

    async def _replay(self, stream: PushStream, after: Cursor) -> list[PushEvent]:
        """Return all that the stream missed of a lane, or the one event that says it cannot be told."""
        if after.lane in self._sources:
            await self._hub.until_begun(after.lane, _LANE_PATIENCE_SECONDS)
        recall = self._hub.resume(stream, after)
        if recall is not None and not recall.has_gap:
            return recall.events
        source = self._sources.get(after.lane)
        if recall is not None and source is not None:
            older = await source.read(stream.user_id, after, recall.whole_after)
            if older is not None:
                mine = [event for event in older if event.is_for(stream.device_session_id)]
                return [*mine, *recall.events]
        _log.info("push_resync_required", lane=after.lane, device_session_id=stream.device_session_id)
        return [self._events.resync_required(stream.user_id, after.lane)]


class Subscription:
    """One admitted stream; must be closed."""

    def __init__(
        self,
        owner: Subscriptions,
        stream: PushStream,
        session: Session,
        request_id: str,
        cursors: Sequence[Cursor],
    ) -> None:
        self._owner = owner
        self.stream = stream
        self.session = session
        self.request_id = request_id
        self.cursors = cursors
        self.events_sent = 0

    def events(self) -> AsyncIterator[SignedEvent]:
        """Yield signed events; ends by raising the stream's terminal Refusal."""
        return self._owner.feed(self)

    def close(self) -> None:
        """Leave the hub."""
        self._owner.close(self.stream)


class _Heartbeat:
    """Wakes a stream whenever a heartbeat is due: one timer an interval, where a timeout a wait would be one an event."""

    def __init__(self, stream: PushStream, interval_seconds: float) -> None:
        self._stream = stream
        self._interval_seconds = interval_seconds
        self.wait_anew()

    def wait_anew(self) -> None:
        self.is_due = False
        self._timer = asyncio.get_running_loop().call_later(self._interval_seconds, self._fall_due)

    def stop(self) -> None:
        self._timer.cancel()

    def _fall_due(self) -> None:
        self.is_due = True
        self._stream.wake()


class _Registration:
    """Registers a stream around the session lookup and seats it at the end (pipeline.model.SessionWatch)."""

    def __init__(self, hub: PushHub) -> None:
        self._hub = hub
        self.stream: PushStream | None = None

    def before_lookup(self, device_session_id: str) -> None:
        self.stream = self._hub.register(device_session_id)

    def found(self, session: Session) -> None:
        assert self.stream is not None
        self._hub.attach(self.stream, session.user_id)

    def admitted(self) -> None:
        assert self.stream is not None
        self._hub.seat(self.stream)

    def withdraw(self) -> None:
        if self.stream is not None:
            self._hub.remove(self.stream)


def _terminal(stream: PushStream) -> Refusal:
    match stream.ended:
        case StreamEnd.REVOKED:
            return SessionRevoked()
        case StreamEnd.OVERFLOW:
            return StreamOverflowed()
        case StreamEnd.SHUTDOWN | None:
            return GatewayShuttingDown()
