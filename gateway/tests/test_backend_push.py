"""The subscription to the backend, over a real gRPC server: what comes, what is lost, what is done about it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import grpc
import pytest
from pydantic import SecretStr

from galaxy.push.v1 import push_pb2
from gateway.backend_push.consumer import BackendPush
from gateway.backend_push.rpc import PushClient
from gateway.backend_push.source import PushRingSource
from gateway.push.model import Cursor, Lane, PushEvent
from gateway.tests.backend import TOKEN, FakePush
from kit.backoff import Backoff
from kit.clock import SystemClock


class Sink:
    """Keeps what the subscription said, in order, and signals each."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.relookups = 0
        self.more = asyncio.Event()

    def lane_began(self, start: Cursor, *, gap: bool) -> None:
        self._note(("began", start.epoch, start.position[0], gap))

    def publish(self, event: PushEvent) -> None:
        self._note(event.event_id)

    def malformed(self, source: str, position: str, problem: str) -> None:
        self._note(("malformed", source, position, problem))

    def revoke_device_session(self, device_session_id: str, reason: str) -> None:
        self._note(("session", device_session_id, reason))

    def revoke_all_for_user(self, user_id: str, reason: str) -> None:
        self._note(("user", user_id, reason))

    def request(self) -> None:
        self.relookups += 1

    def _note(self, what: Any) -> None:
        self.heard.append(what)
        self.more.set()

    async def until(self, what: Any) -> None:
        async with asyncio.timeout(10):
            while what not in self.heard:
                self.more.clear()
                await self.more.wait()


@asynccontextmanager
async def subscribed(push: FakePush, sink: Sink, token: str = TOKEN) -> AsyncIterator[list[str]]:
    """Run a subscription; gives the statuses with which it was lost."""
    losses: list[str] = []
    worker = BackendPush(
        PushClient(push.target, SecretStr(token), 1000),
        "gw-1",
        sink,
        sink,
        SystemClock(),
        losses.append,
        Backoff(timedelta(milliseconds=10), timedelta(milliseconds=50)),
    )
    task = asyncio.create_task(worker.run(lambda: None))
    try:
        yield losses
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_frames_become_publications_and_revocations(push: FakePush):
    """gateway-runtime:53 frames become publications and revocations in the hub.

    gateway-runtime:51 and gateway-runbook-latest:34 one subscription is kept open.
    gateway-runtime:16, gateway-runtime:18-19, gateway-runtime:28-29.
    """
    sink = Sink()
    async with subscribed(push, sink):
        await sink.until(("began", "epoch-1", 0, True))
        await push.tell("u1", "e1")
        await push.emit(
            session_invalidation=push_pb2.SessionInvalidation(device_session_id="s1", reason="expired")
        )
        await push.emit(session_invalidation=push_pb2.SessionInvalidation(user_id="u1", reason="expired"))
        await sink.until(("user", "u1", "expired"))
    assert sink.heard[1:] == ["e1", ("session", "s1", "expired"), ("user", "u1", "expired")]
    assert push.requests[0].gateway_client_id == "gw-1"


async def test_a_lost_subscription_goes_on_where_it_was_and_has_sessions_looked_up(push: FakePush):
    """gateway-runbook-latest:35 it reconnects with capped backoff."""
    sink = Sink()
    async with subscribed(push, sink) as losses:
        await sink.until(("began", "epoch-1", 0, True))
        await push.tell("u1", "e1")
        await sink.until("e1")
        before = sink.relookups
        push.cut()
        # Without this the old stream may still carry e2 before it ends.
        await asyncio.wait_for(push.subscribed.wait(), 10)
        await push.tell("u1", "e2")
        await sink.until("e2")
    assert losses == ["UNAVAILABLE"]
    assert sink.relookups == before + 1
    assert sink.heard == [("began", "epoch-1", 0, True), "e1", "e2"]
    assert (push.requests[1].resume_after.epoch, push.requests[1].resume_after.offset) == ("epoch-1", 1)


async def test_a_backend_that_began_anew_is_a_gap(push: FakePush):
    sink = Sink()
    async with subscribed(push, sink):
        await push.tell("u1", "e1")
        await push.subscribed.wait()
        await push.begin_anew()
        push.cut()
        await sink.until(("began", "epoch-1-next", 0, True))
        await push.tell("u1", "e2")
        await sink.until("e2")


async def test_a_hole_between_frames_is_a_gap_that_nobody_announced(push: FakePush):
    sink = Sink()
    async with subscribed(push, sink):
        await sink.until(("began", "epoch-1", 0, True))
        push.frames.append(push_pb2.PushEvent(epoch="epoch-1", offset=5))
        push.frames[-1].client_event.CopyFrom(
            push_pb2.ClientEvent(user_id="u1", event_type="t", event_id="e5", payload_bytes=b"{}")
        )
        push.cut()
        await sink.until("e5")
    assert sink.heard[-2:] == [("began", "epoch-1", 4, True), "e5"]


@pytest.mark.parametrize(
    "frame",
    [
        {"client_event": push_pb2.ClientEvent(event_type="t", event_id="e", payload_bytes=b"{}")},
        {"client_event": push_pb2.ClientEvent(user_id="u", event_id="e", payload_bytes=b"{}")},
        {"client_event": push_pb2.ClientEvent(user_id="u", event_type="t", payload_bytes=b"{}")},
        {"client_event": push_pb2.ClientEvent(user_id="u", event_type="t", event_id="e", payload_bytes=b"{")},
        {
            "client_event": push_pb2.ClientEvent(
                user_id="u", event_type="t", event_id="e", payload_bytes=b'"' + b"x" * 1000 + b'"'
            )
        },
        {"session_invalidation": push_pb2.SessionInvalidation(reason="expired")},
        {},
    ],
)
async def test_a_malformed_frame_is_dropped_and_the_next_one_taken(push: FakePush, frame: dict[str, Any]):
    """gateway-runbook-latest:109 malformed events are dropped."""
    sink = Sink()
    async with subscribed(push, sink):
        await sink.until(("began", "epoch-1", 0, True))
        await push.emit(**frame)
        await push.tell("u1", "good")
        await sink.until("good")
    assert sink.heard[1][:3] == ("malformed", "backend_push", "push:epoch-1:1")
    assert sink.heard[2] == "good"


async def test_a_wrong_token_is_a_loss_like_any_other(push: FakePush):
    sink = Sink()
    async with subscribed(push, sink, "a-wrong-service-token") as losses:
        async with asyncio.timeout(10):
            while len(losses) < 3:
                await asyncio.sleep(0.01)
    assert set(losses) == {grpc.StatusCode.UNAUTHENTICATED.name}
    assert sink.heard == []


def at(offset: int, epoch: str = "epoch-1") -> Cursor:
    return Cursor(Lane.PUSH, epoch, (offset,))


async def test_the_ring_is_read_again_for_those_who_resume(push: FakePush):
    for number in range(1, 7):
        await push.tell("u1" if number % 2 else "u2", f"e{number}")
    source = PushRingSource(PushClient(push.target, SecretStr(TOKEN), 1000), "gw-1", timedelta(seconds=5))
    events = await source.read("u1", at(0), at(5))
    assert events is not None
    assert [event.event_id for event in events] == ["e1", "e3", "e5"]
    # Everyone who asks for less is served by what was read.
    events = await source.read("u2", at(2), at(4))
    assert events is not None
    assert [event.event_id for event in events] == ["e4"]
    assert [request.gateway_client_id for request in push.requests] == ["gw-1.resume"]


async def test_a_ring_that_does_not_reach_back_says_so(push: FakePush):
    for number in range(1, 7):
        await push.tell("u1", f"e{number}")
    push.reaches_back_to = 3
    source = PushRingSource(PushClient(push.target, SecretStr(TOKEN), 1000), "gw-1", timedelta(seconds=5))
    assert await source.read("u1", at(1), at(5)) is None
    assert await source.read("u1", at(1, "another life"), at(5, "another life")) is None


async def test_a_backend_that_cannot_be_asked_says_nothing_of_the_past(push: FakePush):
    source = PushRingSource(PushClient("127.0.0.1:1", SecretStr(TOKEN), 1000), "gw-1", timedelta(seconds=5))
    assert await source.read("u1", at(1), at(5)) is None
