"""Saves: whole ones are read, damaged ones refused, and whatever is read can be played."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import determinism
from engine.rules import report_json, save, turn
from engine.rules.errors import BadSave, UnknownSaveFormat
from engine.rules.model import Game
from engine.tests import worlds


def lively_game() -> Game:
    game = determinism.scripted_game()
    for _ in range(6):
        game = turn.take_turn(game, {race: determinism.orders(game, race) for race in range(2)}).game
    return game


LIVELY = json.loads(save.dump(lively_game()))


@given(worlds.galaxies())
@settings(max_examples=50, deadline=None)
def test_every_game_reads_back_equal(game):
    assert save.load(save.dump(game)) == game


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    return [path, *(each for key, item in pairs for each in places(item, (*path, key)))]


_ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 0, 7, 10**9, -1.0, 0.0, 2.5, 1e15, 1e300, "", "x", "CAP", [], [1, 2], {}]
)


@given(st.sampled_from(places(LIVELY)[1:]), _ODD)
@settings(max_examples=400, deadline=None)
def test_a_tampered_save_is_refused_or_can_be_played(path, odd):
    tampered = json.loads(json.dumps(LIVELY))
    holder = tampered
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = odd
    try:
        game = save.load(save.canonical(tampered))
    except BadSave:
        return
    outcome = turn.take_turn(game, {})
    for race in range(len(game.races)):
        save.canonical(report_json.report(outcome, race))
    save.dump(outcome.game)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b'{"format":1}',
        b'{"format":[]}',
        b'{"format":1,"turn":NaN}',
    ],
)
def test_what_is_no_save_is_refused(data):
    with pytest.raises(BadSave):
        save.load(data)


def test_another_format_is_told_apart_from_damage():
    with pytest.raises(UnknownSaveFormat):
        save.load(b'{"format":2}')


def test_a_save_with_other_spacing_is_not_canonical():
    with pytest.raises(BadSave):
        save.load(json.dumps(LIVELY).encode())
