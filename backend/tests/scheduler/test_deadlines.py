"""Deadlines as pure functions, over clocks that jump."""

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend.scheduler.model import (
    BadSchedule,
    Schedule,
    ScheduleKind,
    after_outage,
    checked_cron,
    first_deadline,
    next_tick,
    resumed_deadline,
    shown_deadline,
)

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
ZONES = st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, "Asia/Kathmandu", "UTC", "Pacific/Apia"])
LINES = st.sampled_from(
    ["0 18 * * *", "30 2 * * *", "*/10 * * * *", "15 1-3 * * *", "0 0 1 * *", "0 3 * * SUN", "59 23 31 12 *"]
)
INSTANTS = st.integers(0, 15 * 366 * 86_400).map(
    lambda seconds: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
DAY = timedelta(days=1)


def cron(line: str, zone: str = BERLIN) -> Schedule:
    return Schedule(ScheduleKind.CRON, line, zone)


ROLLING = Schedule(ScheduleKind.ROLLING, period=DAY)


@given(LINES, ZONES, INSTANTS)
@example("30 2 * * *", BERLIN, datetime(2030, 10, 27, 0, 45, tzinfo=UTC))
@example("30 1 * * *", LORD_HOWE, datetime(2030, 4, 6, 15, 10, tzinfo=UTC))
def test_a_tick_lies_strictly_after_and_ticks_go_on_for_ever(line, zone, after):
    first = next_tick(cron(line, zone), after)
    second = next_tick(cron(line, zone), first)
    assert after < first < second
    assert first.tzinfo is UTC


@given(ZONES, st.integers(2020, 2034))
def test_a_daily_turn_falls_once_on_every_day_of_the_year(zone, year):
    """A skipped hour and a doubled hour make neither a lost nor a second turn."""
    here = ZoneInfo(zone)
    tick = datetime(year, 1, 1, tzinfo=here).astimezone(UTC)
    days = []
    for _ in range(364):
        tick = next_tick(cron("30 2 * * *", zone), tick)
        days.append(tick.astimezone(here).date())
    assert len(set(days)) == 364
    gaps = {(later - earlier).days for earlier, later in itertools.pairwise(days)}
    # Samoa's clocks skipped a whole day once, but not in these years.
    assert gaps == {1}


def test_in_spring_a_tick_in_the_skipped_hour_falls_right_after_it():
    """Berlin, 31 March 2030: 02:30 does not exist; the turn falls at 03:00, which is 01:00 UTC."""
    tick = next_tick(cron("30 2 * * *"), datetime(2030, 3, 30, 12, tzinfo=UTC))
    assert tick == datetime(2030, 3, 31, 1, 0, tzinfo=UTC)


def test_in_autumn_a_tick_in_the_doubled_hour_falls_once():
    """Berlin, 27 October 2030: 02:30 comes twice; the first one counts, and the next is a day later."""
    first = next_tick(cron("30 2 * * *"), datetime(2030, 10, 26, 12, tzinfo=UTC))
    assert first == datetime(2030, 10, 27, 0, 30, tzinfo=UTC)
    assert next_tick(cron("30 2 * * *"), first) == datetime(2030, 10, 28, 1, 30, tzinfo=UTC)


def test_a_backend_that_starts_between_the_two_passings_does_not_look_back():
    between = datetime(2030, 10, 27, 1, 10, tzinfo=UTC)  # 02:10, for the second time
    assert next_tick(cron("30 2 * * *"), between) == datetime(2030, 10, 28, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "zone"),
    [
        ("* * * *", BERLIN),
        ("* * * * * *", BERLIN),
        ("60 * * * *", BERLIN),
        ("x y z a b", BERLIN),
        ("0 0 31 2 *", BERLIN),
        ("0 0 * * *", "Nowhere/Land"),
        ("0 0 * * *", "../../etc/passwd"),
        ("0 0 * * *", ""),
        ("", BERLIN),
    ],
)
def test_what_is_no_schedule_is_refused(line, zone):
    with pytest.raises(BadSchedule):
        checked_cron(line, zone)


@given(INSTANTS, st.timedeltas(timedelta(0), timedelta(days=30)))
def test_the_first_turn_waits_out_its_allowance(start, allowance):
    assert first_deadline(ROLLING, allowance, start) == start + allowance + DAY
    assert first_deadline(cron("0 18 * * *"), allowance, start) > start + allowance


@given(
    INSTANTS,
    st.timedeltas(timedelta(seconds=1), timedelta(days=10)),
    st.timedeltas(timedelta(seconds=1), timedelta(days=10)),
    st.sampled_from([ROLLING, cron("0 18 * * *")]),
)
def test_an_outage_takes_nothing_from_anybody_who_missed_the_deadline(began, left, outage, schedule):
    now = began + outage
    deadline = began + left
    moved = after_outage(schedule, deadline, began, now)
    if deadline <= now or schedule is ROLLING:
        assert moved - now == left, "as much is left as was left when the platform went down"
    else:
        assert moved == deadline


def test_a_skipped_tick_is_not_shown_as_a_deadline():
    schedule = cron("0 18 * * *", "UTC")
    tick = datetime(2030, 1, 1, 18, tzinfo=UTC)
    assert shown_deadline(schedule, tick, False) == tick
    assert shown_deadline(schedule, tick, True) == tick + DAY
    assert shown_deadline(ROLLING, tick, True) == tick
    assert shown_deadline(schedule, None, True) is None


def test_a_pause_keeps_what_was_left_of_a_rolling_turn():
    now = datetime(2030, 1, 1, tzinfo=UTC)
    assert resumed_deadline(ROLLING, timedelta(hours=3), now) == now + timedelta(hours=3)
    assert resumed_deadline(ROLLING, None, now) == now + DAY
    assert resumed_deadline(cron("0 18 * * *", "UTC"), timedelta(hours=3), now) == now.replace(hour=18)
