"""What should run against what does: the pure comparison."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from backend.runtime.compare import (
    Adopt,
    NoteCrash,
    NoteStopped,
    Remove,
    Start,
    Stop,
    compare,
)
from backend.runtime.model import (
    Desired,
    Endpoint,
    RuntimeRecord,
    RuntimeStatus,
    Seen,
    failures_after,
    restart_wait,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def record(status: RuntimeStatus, desired: Desired = Desired.RUNNING, **changes) -> RuntimeRecord:
    values = {
        "game_id": "g",
        "detail": "",
        "engine_version": "1.0.0",
        "container_ref": "a" if status is RuntimeStatus.RUNNING else None,
        "skip_next_tick": False,
        "failures": 0,
        "started_at": NOW if status is RuntimeStatus.RUNNING else None,
        "restart_at": NOW if status in {RuntimeStatus.CRASHED, RuntimeStatus.FAILED} else None,
        "version": 1,
    }
    return RuntimeRecord(desired=desired, status=status, **(values | changes))


def container(ref: str = "a", *, running: bool = True, game_id: str = "g", version: str = "1.0.0") -> Seen:
    endpoint = Endpoint("http://e", "t") if running else None
    return Seen(ref, game_id, version, running, endpoint, None if running else 137)


def actions(of: RuntimeRecord, *seen: Seen, reap_unknown: bool = False):
    return compare({of.game_id: of}, seen, NOW, reap_unknown=reap_unknown)


def test_all_is_well():
    assert actions(record(RuntimeStatus.RUNNING), container()) == []
    assert actions(record(RuntimeStatus.STOPPED, Desired.STOPPED)) == []


def test_what_should_run_and_does_not_is_started():
    assert actions(record(RuntimeStatus.STOPPED)) == [Start("g")]
    assert actions(record(RuntimeStatus.STARTING)) == [Start("g")]


def test_what_ran_and_is_gone_has_crashed():
    assert actions(record(RuntimeStatus.RUNNING)) == [NoteCrash("g", None, "gone")]
    assert actions(record(RuntimeStatus.RUNNING), container(running=False)) == [
        NoteCrash("g", "a", "exit code 137")
    ]


def test_a_crashed_engine_waits_for_its_restart():
    waiting = record(RuntimeStatus.CRASHED, restart_at=NOW + timedelta(seconds=1))
    assert actions(waiting) == []
    assert actions(record(RuntimeStatus.CRASHED)) == [Start("g")]
    assert actions(record(RuntimeStatus.FAILED)) == [Start("g")]


def test_what_should_not_run_is_stopped():
    assert actions(record(RuntimeStatus.RUNNING, Desired.STOPPED), container()) == [Stop("g", "a")]
    assert actions(record(RuntimeStatus.RUNNING, Desired.STOPPED)) == [NoteStopped("g")]


def test_a_container_that_the_record_does_not_know_is_adopted():
    """A backend that died between the start and the note of it left it behind."""
    assert actions(record(RuntimeStatus.STARTING), container("b")) == [Adopt("g", "b")]
    assert actions(record(RuntimeStatus.CRASHED), container("b")) == [Adopt("g", "b")]


def test_of_two_containers_of_a_game_the_recorded_one_stays():
    assert actions(record(RuntimeStatus.RUNNING), container("b"), container("a")) == [Remove("g", "b")]


def test_a_container_of_another_engine_version_is_no_substitute():
    assert actions(record(RuntimeStatus.STARTING), container("b", version="0.9.0")) == [
        Remove("g", "b"),
        Start("g"),
    ]


def test_containers_of_unknown_games_are_reaped_only_where_they_can_be_nobody_elses():
    stray = container("x", game_id="unknown")
    assert actions(record(RuntimeStatus.RUNNING), container(), stray) == []
    assert actions(record(RuntimeStatus.RUNNING), container(), stray, reap_unknown=True) == [
        Remove("unknown", "x")
    ]


_SEEN = st.lists(
    st.builds(
        container,
        st.sampled_from("abc"),
        running=st.booleans(),
        game_id=st.sampled_from(["g", "h"]),
        version=st.sampled_from(["1.0.0", "0.9.0"]),
    ),
    max_size=4,
    unique_by=lambda seen: seen.ref,
)


@given(st.sampled_from(RuntimeStatus), st.sampled_from(Desired), _SEEN, st.booleans())
def test_at_most_one_step_forward_a_game_and_nothing_of_others_is_touched(status, desired, seen, reap):
    found = compare({"g": record(status, desired)}, seen, NOW, reap_unknown=reap)
    assert sum(not isinstance(action, Remove) for action in found) <= 1
    if not reap:
        assert all(action.game_id == "g" for action in found)
    if desired is Desired.STOPPED:
        assert not any(isinstance(action, Start | Adopt | NoteCrash) for action in found)
    kept = {action.ref for action in found if isinstance(action, Adopt)}
    removed = {action.ref for action in found if isinstance(action, Remove | Stop)}
    assert not kept & removed


def test_restarts_wait_ten_seconds_doubling_to_five_minutes():
    assert [restart_wait(n).total_seconds() for n in (1, 2, 3, 4, 5, 6, 7, 99)] == [
        10,
        20,
        40,
        80,
        160,
        300,
        300,
        300,
    ]


def test_ten_good_minutes_end_a_row_of_failures():
    young = record(RuntimeStatus.RUNNING, failures=4, started_at=NOW - timedelta(minutes=9, seconds=59))
    old = record(RuntimeStatus.RUNNING, failures=4, started_at=NOW - timedelta(minutes=10))
    assert (failures_after(young, NOW), failures_after(old, NOW)) == (5, 1)
