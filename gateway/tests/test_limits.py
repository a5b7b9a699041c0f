"""Rates and connections."""

from datetime import timedelta

import pytest

from gateway.limits.connections import ConnectionGuard
from gateway.limits.errors import RateLimited, TooManyInFlight
from gateway.limits.in_flight import InFlightLimit
from gateway.limits.rates import RateLimit, RateLimitStage, tokens_of
from gateway.pipeline.model import Passage
from gateway.sessions.model import Session
from gateway.tests.test_envelope import request
from gateway.tests.test_sessions import session
from kit.testing import ManualClock


def test_a_bucket_gives_its_burst_then_its_rate():
    clock = ManualClock()
    limit = RateLimit(rate=2.0, burst=3, clock=clock)
    for _ in range(3):
        limit.take("a")
    with pytest.raises(RateLimited) as refusal:
        limit.take("a")
    assert refusal.value.details["retry_after_ms"] == 500
    limit.take("b")
    clock.advance(timedelta(milliseconds=500))
    limit.take("a")
    with pytest.raises(RateLimited):
        limit.take("a")


def test_forgotten_keys_are_the_least_recently_used():
    limit = RateLimit(rate=0.001, burst=1, clock=ManualClock(), keys_max=2)
    for key in ("a", "b", "c"):
        limit.take(key)
    limit.take("a")  # forgotten, so it begins anew
    with pytest.raises(RateLimited):
        limit.take("c")


@pytest.mark.parametrize(
    ("payload_bytes", "tokens"), [(0, 1), (1, 1), (65_536, 1), (65_537, 2), (1_048_576, 16)]
)
def test_a_payload_costs_a_token_for_each_started_64_kib(payload_bytes: int, tokens: int):
    assert tokens_of(payload_bytes) == tokens


def test_a_request_dearer_than_the_whole_bucket_empties_a_full_one():
    clock = ManualClock()
    limit = RateLimit(rate=2.0, burst=4, clock=clock)
    limit.take("a", 16)
    with pytest.raises(RateLimited) as refusal:
        limit.take("a", 16)
    assert refusal.value.details["retry_after_ms"] == 2000
    clock.advance(timedelta(seconds=2))
    limit.take("a", 16)


def passage(session: Session, payload_bytes: bytes = b"") -> Passage:
    signed = request(device_session_id=session.device_session_id, payload_bytes=payload_bytes)
    return Passage(signed, "1.1.1.1", looked_up=session)


async def test_large_payloads_use_a_share_up_sooner():
    stage = RateLimitStage(
        RateLimit(rate=0.001, burst=20, clock=ManualClock()),
        RateLimit(rate=0.001, burst=40, clock=ManualClock()),
        InFlightLimit(99, 99),
    )
    large = b"x" * 1024 * 1024
    await stage.check(passage(session(1), large))
    with pytest.raises(RateLimited):
        await stage.check(passage(session(1), large))
    await stage.check(passage(session(1)))
    await stage.check(passage(session(2), large))
    with pytest.raises(RateLimited):  # 33 of the user's 40 are gone
        await stage.check(passage(session(3), large))


async def test_the_stage_counts_by_session():
    stage = RateLimitStage(
        RateLimit(rate=0.001, burst=1, clock=ManualClock()),
        RateLimit(rate=0.001, burst=9, clock=ManualClock()),
        InFlightLimit(9, 9),
    )
    await stage.check(passage(session(1)))
    await stage.check(passage(session(2)))
    with pytest.raises(RateLimited):
        await stage.check(passage(session(1)))


async def test_the_stage_counts_a_users_sessions_together():
    stage = RateLimitStage(
        RateLimit(rate=0.001, burst=9, clock=ManualClock()),
        RateLimit(rate=0.001, burst=2, clock=ManualClock()),
        InFlightLimit(9, 9),
    )
    await stage.check(passage(session(1)))
    await stage.check(passage(session(2)))
    with pytest.raises(RateLimited):
        await stage.check(passage(session(3)))
    await stage.check(passage(session(4, user_id="u2")))


def test_what_is_under_way_is_counted_by_session_and_by_user():
    limit = InFlightLimit(session_max=2, user_max=3)
    leave = limit.enter("s1", "u1")
    limit.enter("s1", "u1")
    with pytest.raises(TooManyInFlight):
        limit.enter("s1", "u1")
    limit.enter("s2", "u1")
    with pytest.raises(TooManyInFlight):
        limit.enter("s2", "u1")
    limit.enter("s3", "u2")
    assert limit.under_way == 4
    leave()
    limit.enter("s2", "u1")


def test_connections_are_counted_by_address_and_altogether():
    refused: list[str] = []
    guard = ConnectionGuard(5, 2, lambda address: address == "10.0.0.1", refused.append)
    assert guard.admit("a")
    assert guard.admit("a")
    assert not guard.admit("a")
    assert all(guard.admit("10.0.0.1") for _ in range(3))
    assert not guard.admit("b")
    guard.release("a")
    assert guard.admit("b")
    assert guard.open_connections == 5
    assert refused == ["address_connections_max", "connections_max"]


def test_the_addresses_of_one_ipv6_network_share_its_connections():
    guard = ConnectionGuard(9, 2, lambda _: False, lambda _: None)
    assert guard.admit("2001:db8::1")
    assert guard.admit("2001:db8::2")
    assert not guard.admit("2001:db8::3")
    assert guard.admit("2001:db8:0:1::1")
    guard.release("2001:db8::1")
    assert guard.admit("2001:db8::3")
