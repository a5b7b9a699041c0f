"""The closed table of game states, and what time decides about enrolment."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.lobby.errors import RaceNameInvalid
from backend.lobby.model import (
    TRANSITIONS,
    EnrollmentEnd,
    Game,
    GameAct,
    GameSettings,
    GameState,
    Member,
    MemberStatus,
    MissedTurnPolicy,
    Visibility,
    enrollment_end,
    next_state,
)
from backend.lobby.race_names import checked_race_name, computer_names, race_key
from backend.scheduler.model import Schedule, ScheduleKind

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def a_game(state: GameState = GameState.ENROLLMENT_OPEN, people: int = 1, **changes) -> Game:
    gap_ends_at = changes.pop("gap_ends_at", None)
    chosen: dict[str, Any] = {
        "name": "Sol",
        "visibility": Visibility.PUBLIC,
        "min_players": 2,
        "max_players": 3,
        "start_gap_hours": 0,
        "start_gap_players": 0,
        "enrollment_ends_at": None,
        "schedule": Schedule(ScheduleKind.ROLLING, period=timedelta(hours=1)),
        "early_turn": True,
        "missed_turn_policy": MissedTurnPolicy.IDLE,
        "first_turn_allowance_hours": 0,
        "engine_version": "1.0.0",
        "engine_options": {},
        "bots": 0,
    }
    members = tuple(Member(f"u{n}", f"u{n}", f"Race{n}", None, MemberStatus.ACTIVE, n) for n in range(people))
    return Game(
        "g",
        "u0",
        GameSettings(**(chosen | changes)),
        state,
        "",
        "seed",
        gap_ends_at,
        NOW,
        None,
        None,
        members,
        1,
    )


def test_every_state_but_the_last_two_leads_on_and_those_lead_nowhere():
    left = {before for before, _ in TRANSITIONS}
    assert left == {state for state in GameState if not state.over}


def test_a_game_that_is_over_refuses_every_act():
    for state in (GameState.FINISHED, GameState.CANCELLED):
        assert all(next_state(state, act) is None for act in GameAct)


@given(st.lists(st.sampled_from(list(GameAct)), max_size=30))
def test_no_walk_reaches_play_without_starting_or_leaves_an_end(acts: list[GameAct]):
    state, walked = GameState.DRAFT, [GameState.DRAFT]
    for act in acts:
        state = next_state(state, act) or state
        walked.append(state)
    if GameState.RUNNING in walked:
        assert GameState.STARTING in walked[: walked.index(GameState.RUNNING)]
    for end in (GameState.FINISHED, GameState.CANCELLED):
        if end in walked:
            assert set(walked[walked.index(end) :]) == {end}
    if GameState.CANCELLED in walked:
        assert GameState.RUNNING not in walked


def test_cancelling_is_possible_before_play_only():
    allowed = {state for state in GameState if next_state(state, GameAct.CANCEL)}
    assert allowed == {
        GameState.DRAFT,
        GameState.ENROLLMENT_OPEN,
        GameState.READY_TO_START,
        GameState.STARTING,
        GameState.START_FAILED,
    }


def test_enrolment_without_an_end_never_ends_by_itself():
    assert enrollment_end(a_game(people=3), NOW + timedelta(days=1000)) is None


@pytest.mark.parametrize(("people", "end"), [(1, EnrollmentEnd.CANCEL), (2, EnrollmentEnd.START)])
def test_the_end_of_enrolment_starts_a_game_with_enough_players_and_gives_up_another(people, end):
    game = a_game(people=people, enrollment_ends_at=NOW)
    assert enrollment_end(game, NOW - timedelta(seconds=1)) is None
    assert enrollment_end(game, NOW) is end


def test_the_start_gap_ends_by_time_or_with_its_last_seat():
    gap: dict[str, Any] = {
        "start_gap_hours": 1,
        "start_gap_players": 2,
        "gap_ends_at": NOW + timedelta(hours=1),
    }
    assert enrollment_end(a_game(people=4, **gap), NOW) is None
    assert enrollment_end(a_game(people=4, **gap), NOW + timedelta(hours=1)) is EnrollmentEnd.START
    assert enrollment_end(a_game(people=5, **gap), NOW) is EnrollmentEnd.START


def test_the_start_gap_adds_seats():
    assert a_game(people=3, start_gap_hours=1, start_gap_players=2).gap_begins
    assert not a_game(people=2, start_gap_hours=1, start_gap_players=2).gap_begins
    with_gap = a_game(people=4, start_gap_hours=1, start_gap_players=2, gap_ends_at=NOW)
    assert (with_gap.seats_max, with_gap.full) == (5, False)


@pytest.mark.parametrize(
    ("given_name", "stored"), [("  Star  Folk ", "Star_Folk"), ("A", "A"), ("x" * 20, "x" * 20)]
)
def test_race_names_are_stored_with_underscores(given_name, stored):
    assert checked_race_name(given_name, "Sol") == stored


@pytest.mark.parametrize(
    "name", ["", "  ", "x" * 21, "Käse", "a-b", "GM", "gm", "Fleet", "mat", "sol", "SOL"]
)
def test_what_can_be_no_race_name_is_refused(name):
    with pytest.raises(RaceNameInvalid):
        checked_race_name(name, "Sol")


@given(st.integers(0, 99), st.lists(st.sampled_from(["Automata", "borealis", "HYDRANS", "Terrans"])))
def test_computer_names_are_lawful_and_unlike_all_others(count, taken):
    names = computer_names(taken, count)
    assert names == computer_names(taken, count)
    assert len({race_key(name) for name in names} | {race_key(name) for name in taken}) == count + len(
        {race_key(name) for name in taken}
    )
    for name in names:
        assert checked_race_name(name, "Sol") == name
