"""Durations, backoff, ladders."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.backoff import Backoff, Ladder
from kit.duration import format_duration, parse_duration


@given(st.integers(0, 10**12))
def test_a_duration_survives_writing_and_reading(milliseconds: int):
    value = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(value)) == value


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("2s", 2), ("1h30m", 5400), ("1.5h", 5400), ("7d", 604800), ("0s", 0)],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float):
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "2", "s", "2 s", "-2s", "2s3", "1w", "٣s", "1e3s"])
def test_anything_else_is_refused_with_a_sentence(text: str):
    with pytest.raises(ValueError, match="write numbers with units"):
        parse_duration(text)


@given(st.integers(0, 5000))
def test_backoff_stays_under_its_ceiling_and_is_never_zero(failures: int):
    wait = Backoff(timedelta(milliseconds=100), timedelta(seconds=5)).wait_seconds(failures)
    assert 0 < wait <= min(5.0, 0.1 * 2.0 ** min(failures, 100))


@given(st.integers(1, 50))
def test_a_ladders_jitter_goes_upward_only_and_its_last_step_repeats(attempt: int):
    steps = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10))
    step = steps[min(attempt, 3) - 1]
    assert step <= Ladder(steps, jitter=0.1).wait(attempt) <= step * 1.1


def test_a_doubling_ladder_doubles_up_to_its_ceiling():
    ladder = Ladder.doubling(timedelta(seconds=5), timedelta(minutes=5), attempts=8)
    assert [step.total_seconds() for step in ladder.steps] == [5, 10, 20, 40, 80, 160, 300, 300]
