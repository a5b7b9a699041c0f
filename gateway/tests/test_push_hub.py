"""Cursors, streams, history and the hub: no holes, no mixed-up streams, one terminal status."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.envelope.errors import MalformedField
from gateway.limits.errors import TooManyStreams
from gateway.push.errors import GatewayShuttingDown
from gateway.push.gateway_events import GatewayEvents
from gateway.push.history import History
from gateway.push.hub import PushHub
from gateway.push.model import RESYNC_REQUIRED, Cursor, Lane, PushEvent, StreamEnd
from gateway.push.resume import resume_after
from gateway.push.stream import PushStream
from kit.ids import uuid7
from kit.testing import ManualClock

CURSORS = st.builds(
    lambda epoch, offset: Cursor(Lane.PUSH, epoch, (offset,)),
    st.text(min_size=1, max_size=10),
    st.integers(0, 2**63),
) | st.builds(
    lambda epoch, ms, seq: Cursor(Lane.STREAM, epoch, (ms, seq)),
    st.text(min_size=1, max_size=10),
    st.integers(0, 2**48),
    st.integers(0, 2**64 - 1),
)


@given(CURSORS)
def test_a_cursor_reads_back_as_it_was_written(cursor: Cursor):
    assert Cursor.parse(str(cursor)) == cursor


@given(st.text())
def test_any_text_is_a_cursor_or_no_cursor(text: str):
    try:
        cursor = Cursor.parse(text)
    except ValueError:
        return
    assert Cursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "push",
        "push:",
        "push:e",
        "push::1",
        "push:e:",
        "push:e:-1",
        "push:e:1-2",
        "stream:e:1",
        "mail:e:1",
        "push:e:" + "9" * 21,
    ],
)
def test_what_is_no_cursor(text: str):
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        Cursor.parse(text)


@pytest.mark.parametrize(
    "payload",
    [
        b"nonsense",
        b"[]",
        b'{"resume": []}',
        b'{"resume_after": {}}',
        b'{"resume_after": [1]}',
        b'{"resume_after": [{"lane": "push"}]}',
        b'{"resume_after": [{"lane": "push", "cursor": "x"}]}',
        b'{"resume_after": [{"lane": "stream", "cursor": "push:e:1"}]}',
        b'{"resume_after": [{"lane": "push", "cursor": "push:e:1"}, {"lane": "push", "cursor": "push:e:2"}]}',
        b'{"resume_after": [{"lane": "push", "cursor": "push:e:1", "more": 1}]}',
    ],
)
def test_a_subscriptions_payload_is_read_strictly(payload: bytes):
    with pytest.raises(MalformedField):
        resume_after(payload)


def test_a_subscriptions_payload_may_be_empty():
    assert resume_after(b"") == []
    assert resume_after(b"{}") == []
    assert resume_after(b'{"resume_after": [{"lane": "push", "cursor": "push:e:1"}]}') == [
        Cursor(Lane.PUSH, "e", (1,))
    ]


def event(
    offset: int,
    user: str = "u1",
    lane: Lane = Lane.PUSH,
    epoch: str = "e",
    size: int = 10,
    session: str | None = None,
) -> PushEvent:
    position = (offset,) if lane is Lane.PUSH else (offset, 0)
    return PushEvent(
        user, "game.changed", f"{lane}-{offset}", 1, b"x" * size, Cursor(lane, epoch, position), session
    )


def new_hub(clock: ManualClock | None = None, **changes: int) -> PushHub:
    clock = clock or ManualClock()
    history = History(
        clock,
        changes.get("history_events_max", 300),
        changes.get("history_bytes_max", 1_000_000),
        timedelta(minutes=5),
    )
    hub = PushHub(
        history,
        GatewayEvents(clock, uuid7),
        queue_events_max=changes.get("queue_events_max", 256),
        queue_bytes_max=changes.get("queue_bytes_max", 1 << 20),
        session_streams_max=8,
    )
    hub.begin_lane(Cursor(Lane.PUSH, "e", (0,)), gap=False)
    hub.begin_lane(Cursor(Lane.STREAM, "e", (0, 0)), gap=False)
    return hub


def open_stream(hub: PushHub, user: str = "u1", session: str = "s1") -> PushStream:
    stream = hub.register(session)
    hub.attach(stream, user)
    return stream


async def taken(stream: PushStream) -> list[str]:
    async with asyncio.timeout(5):
        pause = stream.pause()
        if pause is not None:
            await pause
    return [one.event_id for one in stream.drain()]


async def test_events_reach_their_users_streams_and_their_session_alone():
    """gateway-runbook-latest:107 and gateway-runbook-redis-streams:54 user_id and device_session_id choose the target."""
    hub = new_hub()
    mine, second, other = open_stream(hub), open_stream(hub, session="s2"), open_stream(hub, "u2", "s3")
    hub.publish(event(1))
    hub.publish(event(2, session="s2"))
    hub.publish(event(3, "u2"))
    assert await taken(mine) == ["push-1"]
    assert await taken(second) == ["push-1", "push-2"]
    assert await taken(other) == ["push-3"]


async def test_a_waiting_stream_wakes_for_an_event():
    hub = new_hub()
    stream = open_stream(hub)
    waiting = asyncio.ensure_future(taken(stream))
    await asyncio.sleep(0)
    hub.publish(event(1))
    assert await waiting == ["push-1"]


async def test_overflow_keeps_a_prefix_and_ends_that_stream_alone():
    """gateway-runbook-latest:122-123, gateway-runbook-redis-streams:62-63."""
    hub = new_hub(queue_events_max=3)
    slow, quick = open_stream(hub), open_stream(hub, session="s2")
    for offset in range(1, 7):
        hub.publish(event(offset))
        assert await taken(quick) == [f"push-{offset}"]
    assert slow.ended is StreamEnd.OVERFLOW
    assert await taken(slow) == ["push-1", "push-2", "push-3"]
    assert await taken(slow) == []
    assert quick.ended is None


async def test_the_byte_limit_counts_what_is_handed_out_but_not_sent():
    hub = new_hub(queue_bytes_max=3000)
    stream = open_stream(hub)
    hub.publish(event(1, size=1200))
    hub.publish(event(2, size=1200))
    handed_out = stream.drain()
    assert next(handed_out).event_id == "push-1"
    hub.publish(event(3, size=1200))
    assert stream.ended is StreamEnd.OVERFLOW
    assert [one.event_id for one in handed_out] == ["push-2"]


async def test_an_event_counts_until_the_next_is_asked_for():
    hub = new_hub(queue_events_max=2)
    stream = open_stream(hub)
    hub.publish(event(1))
    hub.publish(event(2))
    handed_out = stream.drain()
    next(handed_out)
    next(handed_out)
    hub.publish(event(3))
    assert list(handed_out) == []
    assert stream.ended is None
    handed_out = stream.drain()
    assert next(handed_out).event_id == "push-3"
    assert list(handed_out) == []
    assert stream.pause() is not None
    hub.publish(event(4))
    hub.publish(event(5))
    assert stream.ended is None


async def test_one_event_over_the_byte_limit_still_passes_an_empty_queue():
    hub = new_hub(queue_bytes_max=100)
    stream = open_stream(hub)
    hub.publish(event(1, size=5000))
    assert await taken(stream) == ["push-1"]


async def test_a_revocation_reaches_a_stream_whose_session_is_still_being_looked_up():
    hub = new_hub()
    stream = hub.register("s1")
    assert hub.revoke_device_session("s1", "revoked_by_user") == 1
    hub.attach(stream, "u1")
    hub.publish(event(1))
    assert stream.ended is StreamEnd.REVOKED
    assert await taken(stream) == []


async def test_a_revocation_takes_the_queue_with_it_and_outdoes_an_overflow():
    hub = new_hub(queue_events_max=1)
    stream = open_stream(hub)
    hub.publish(event(1))
    hub.publish(event(2))
    assert stream.ended is StreamEnd.OVERFLOW
    assert hub.revoke_all_for_user("u1", "signed_out_everywhere") == ["s1"]
    assert str(stream.ended) == "revoked"
    assert stream.end_detail == "signed_out_everywhere"
    assert await taken(stream) == []


async def test_only_the_revoked_session_closes():
    """gateway-runbook-redis-streams:48 streams of that exact session close."""
    hub = new_hub()
    mine, sibling = open_stream(hub), open_stream(hub, session="s2")
    hub.revoke_device_session("s1", "revoked_by_user")
    assert mine.ended is StreamEnd.REVOKED
    assert sibling.ended is None


async def test_closing_ends_all_streams_and_registers_no_more():
    """gateway-runbook-latest:73 and gateway-runbook-redis-streams:32 the hub is closed before the listeners."""
    hub = new_hub()
    stream, pending = open_stream(hub), hub.register("s2")
    hub.close()
    assert stream.ended is pending.ended is StreamEnd.SHUTDOWN
    with pytest.raises(GatewayShuttingDown, match="gateway is shutting down"):
        hub.register("s3")


async def test_a_session_has_a_bounded_number_of_streams():
    hub = new_hub()
    unproven = [hub.register("s1") for _ in range(9)]
    streams = [open_stream(hub) for _ in range(8)]
    for stream in streams:
        hub.seat(stream)
    with pytest.raises(TooManyStreams):
        hub.seat(unproven[0])
    hub.remove(unproven[1])
    with pytest.raises(TooManyStreams):
        hub.seat(unproven[0])
    hub.remove(streams[0])
    hub.seat(unproven[0])
    hub.seat(open_stream(hub, session="s2"))


async def test_leaving_twice_is_harmless():
    hub = new_hub()
    stream = open_stream(hub)
    hub.remove(stream)
    hub.remove(stream)
    assert hub.open_streams == 0
    assert hub.open_sessions() == []


async def test_a_gap_is_told_to_every_stream():
    hub = new_hub()
    stream = open_stream(hub)
    hub.begin_lane(Cursor(Lane.PUSH, "next", (7,)), gap=True)
    batch = list(stream.drain())
    assert [(one.event_type, one.payload_bytes) for one in batch] == [(RESYNC_REQUIRED, b'{"lane":"push"}')]
    assert hub.resume(stream, Cursor(Lane.PUSH, "e", (0,))) is None


async def test_resuming_drops_what_history_gives_anyway():
    hub = new_hub()
    stream = open_stream(hub)
    hub.publish(event(1))
    hub.publish(event(1, lane=Lane.STREAM))
    recall = hub.resume(stream, Cursor(Lane.PUSH, "e", (0,)))
    assert recall is not None
    assert [one.event_id for one in recall.events] == ["push-1"]
    assert await taken(stream) == ["stream-1"]


async def test_a_users_own_bound_raises_the_floor_of_that_user_alone():
    hub = new_hub(history_events_max=2)
    for offset in (1, 2, 3):
        hub.publish(event(offset))
    hub.publish(event(4, "u2"))
    mine, other = open_stream(hub), open_stream(hub, "u2", "s2")
    begin = Cursor(Lane.PUSH, "e", (0,))
    recall = hub.resume(mine, begin)
    assert recall is not None
    assert recall.has_gap
    assert recall.whole_after.position == (1,)
    assert [one.event_id for one in recall.events] == ["push-2", "push-3"]
    recall = hub.resume(other, begin)
    assert recall is not None
    assert not recall.has_gap


async def test_what_is_too_old_is_let_go():
    clock = ManualClock()
    hub = new_hub(clock)
    hub.publish(event(1))
    clock.advance(timedelta(minutes=5, seconds=1))
    hub.publish(event(2, "u2"))
    stream = open_stream(hub)
    recall = hub.resume(stream, Cursor(Lane.PUSH, "e", (0,)))
    assert recall is not None
    assert recall.has_gap
    recall = hub.resume(stream, Cursor(Lane.PUSH, "e", (1,)))
    assert recall is not None
    assert not recall.has_gap


class HubLaws(RuleBasedStateMachine):
    """A resume gives every event after the cursor once and in order, or admits a gap; a stream sees a prefix.

    The prefix is of all that was published for its user since it opened.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.hub = new_hub(self.clock, history_events_max=5, history_bytes_max=6000, queue_events_max=4)
        self.published: dict[str, list[PushEvent]] = {"u1": [], "u2": []}
        self.offset = 0
        self.epoch = "e"
        self.streams: list[tuple[PushStream, int, list[PushEvent]]] = []
        self.number = 0

    @rule(user=st.sampled_from(["u1", "u2"]), size=st.sampled_from([0, 400]))
    def publish(self, user: str, size: int) -> None:
        self.offset += 1
        one = event(self.offset, user, epoch=self.epoch, size=size)
        self.hub.publish(one)
        self.published[user].append(one)

    @rule(seconds=st.integers(1, 200))
    def wait(self, seconds: int) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    @rule()
    def lose_the_backend(self) -> None:
        self.epoch += "'"
        self.offset = 0
        self.hub.begin_lane(Cursor(Lane.PUSH, self.epoch, (0,)), gap=True)
        self.published = {"u1": [], "u2": []}
        for stream, _, _ in self.streams:
            self.hub.remove(stream)
        self.streams = []

    @rule(user=st.sampled_from(["u1", "u2"]))
    def open(self, user: str) -> None:
        if len(self.streams) < 5:
            self.number += 1
            stream = open_stream(self.hub, user, f"s{self.number}")
            self.streams.append((stream, len(self.published[user]), []))

    @rule(index=st.integers(0, 4))
    def read(self, index: int) -> None:
        if index < len(self.streams):
            stream, _, seen = self.streams[index]
            seen.extend(stream.drain())

    @rule(user=st.sampled_from(["u1", "u2"]), after=st.integers(0, 30))
    def resume(self, user: str, after: int) -> None:
        stream = open_stream(self.hub, user, "resumer")
        recall = self.hub.resume(stream, Cursor(Lane.PUSH, self.epoch, (after,)))
        self.hub.remove(stream)
        assert recall is not None
        whole_after = max(after, recall.whole_after.position[0])
        expected = [
            one for one in self.published[user] if one.cursor and one.cursor.position[0] > whole_after
        ]
        assert recall.events == expected
        assert recall.has_gap == (recall.whole_after.position[0] > after)

    @invariant()
    def streams_saw_a_prefix(self) -> None:
        for stream, begins, seen in self.streams:
            wanted = self.published[stream.user_id][begins:]
            got = [*seen, *stream._events]
            assert got == wanted[: len(got)]
            if stream.ended is None:
                assert got == wanted

    @invariant()
    def history_is_bounded(self) -> None:
        assert self.hub._history.weight_bytes <= 6000


TestHubLaws = HubLaws.TestCase
TestHubLaws.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
