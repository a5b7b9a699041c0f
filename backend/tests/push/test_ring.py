"""The ring's laws."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.push.model import ClientEvent, Cursor, Invalidation, InvalidationReason, Signal
from backend.push.ring import Ring, Subscription
from kit.ids import uuid7
from kit.testing import ManualClock


def _ring(capacity: int = 8) -> Ring:
    return Ring(capacity, ManualClock(), uuid7)


def _fill(ring: Ring, count: int) -> None:
    for n in range(count):
        ring.publish(Signal("game.changed", ["u"], {"n": n}))


@given(st.integers(1, 20), st.lists(st.integers(1, 5), max_size=12), st.integers(0, 60))
def test_a_position_gives_a_contiguous_suffix_or_nothing_at_all(capacity, bursts, offset):
    ring = _ring(capacity)
    for burst in bursts:
        _fill(ring, burst)
    total = sum(bursts)
    frames = ring.after(offset, 1000)
    reached = ring.reaches_back_to(Cursor(ring.epoch, offset))
    if offset > total:
        assert not reached
    elif frames is None:
        assert not reached
        assert total - offset > capacity
    else:
        assert reached
        assert [frame.offset for frame in frames] == list(range(offset + 1, total + 1))


def test_a_cursor_of_another_life_reaches_nothing():
    ring = _ring()
    _fill(ring, 3)
    assert not ring.reaches_back_to(Cursor("another", 1))
    assert not ring.reaches_back_to(Cursor(ring.epoch, 4))


def test_a_signal_is_one_event_for_each_user_with_one_payload():
    ring = _ring()
    ring.publish(Signal("lobby.changed", ["ada", "bob"], {"game_id": "g"}))
    bodies = [frame.body for frame in ring.after(0, 10) or []]
    assert [body.user_id for body in bodies if isinstance(body, ClientEvent)] == ["ada", "bob"]
    assert len({body.event_id for body in bodies if isinstance(body, ClientEvent)}) == 2
    assert {body.payload for body in bodies if isinstance(body, ClientEvent)} == {b'{"game_id":"g"}'}


def test_an_invalidation_has_one_target():
    with pytest.raises(AssertionError):
        Invalidation(InvalidationReason.EXPIRED)
    with pytest.raises(AssertionError):
        Invalidation(InvalidationReason.EXPIRED, device_session_id="s", user_id="u")


async def test_a_subscriber_sees_each_event_once_in_order_however_they_come():
    ring = _ring(1000)
    seen: list[int] = []
    with Subscription(ring, 0) as subscription:

        async def read() -> None:
            while len(seen) < 500:
                seen.extend(frame.offset for frame in await subscription.next(limit=7) or [])

        reading = asyncio.ensure_future(read())
        for n in range(100):
            _fill(ring, 5)
            if n % 3 == 0:
                await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await reading
    assert seen == list(range(1, 501))


async def test_a_subscriber_that_falls_behind_is_told_and_the_others_never_notice():
    ring = _ring(4)
    with Subscription(ring, 0) as slow, Subscription(ring, 0) as quick:
        _fill(ring, 4)
        assert len(await quick.next() or []) == 4
        _fill(ring, 1)
        assert await slow.next() is None
        assert [frame.offset for frame in await quick.next() or []] == [5]


async def test_a_replaced_or_closed_subscription_wakes_and_ends():
    ring = _ring()
    for end in (Subscription.replace, Subscription.close):
        with Subscription(ring, 0) as subscription:
            waiting = asyncio.ensure_future(subscription.next())
            await asyncio.sleep(0)
            end(subscription)
            async with asyncio.timeout(5):
                assert await waiting == []
