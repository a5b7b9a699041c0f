"""Options of games against what engines declare: a fault is named, and what is no schema is not believed."""

import pytest

from backend.engine_versions.options import find_fault, is_usable
from backend.tests.game_rooms import NEW_GAME, Bench, open_bench, started_game

SCHEMA = {
    "type": "object",
    "properties": {
        "size": {"type": "number", "minimum": 1},
        "homes": {"type": "array", "items": {"type": "integer"}},
    },
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({}, None),
        ({"size": 3, "homes": [1, 2]}, None),
        ({"size": 0}, "size"),
        ({"size": "huge"}, "size"),
        ({"homes": [1, "two"]}, "homes.1"),
        ({"size": 1, "colour": "red"}, "colour"),
        ({"x" * 9000: 1}, "x" * 200),
    ],
)
def test_the_first_option_that_does_not_fit_is_named(options, place):
    found = find_fault(SCHEMA, options)
    assert (found and found[0]) == place
    assert found is None or 0 < len(found[1]) <= 200


@pytest.mark.parametrize(
    "schema",
    [
        None,
        "size",
        {"type": "colour"},
        {"properties": {"size": {"minimum": "one"}}},
        {"$ref": "http://127.0.0.1:1/schema"},
        {"$dynamicRef": "http://127.0.0.1:1/schema"},
        {"properties": {"name": {"pattern": "^(a+)+$"}}},
        {"patternProperties": {"^(a+)+$": {}}},
        {"title": "\0"},
        {"title": "\ud800"},
        {"title": "x" * 70_000},
    ],
)
def test_what_is_no_schema_of_options_is_not_kept(schema):
    assert not is_usable(schema)


@pytest.mark.stores
async def test_what_a_version_takes_is_learned_at_its_first_start_and_kept(games_dsn, tmp_path):
    bad = {**NEW_GAME, "engine_options": {"drop_idle": "never"}}
    async with open_bench(games_dsn, tmp_path) as bench:
        ann, bob = await bench.player("ann"), await bench.player("bob")
        await ann.ok("POST", "/games", bad)  # nobody knows better yet
        await started_game(bench, ann, bob)
        await refused(bench, bad)
    async with open_bench(games_dsn, tmp_path, workers=False) as bench:
        await refused(bench, bad)
        await (await bench.player("ann")).ok("POST", "/games", NEW_GAME)


@pytest.mark.stores
async def test_operators_see_what_was_learned_and_have_it_forgotten(games_dsn, tmp_path):
    bad = {**NEW_GAME, "engine_options": {"drop_idle": "never"}}
    async with open_bench(games_dsn, tmp_path) as bench:
        ann, bob = await bench.player("ann"), await bench.player("bob")
        await started_game(bench, ann, bob)
        (shown,) = (await bench.operator.ok("GET", "/engine-versions"))["items"]
        assert "drop_idle" in shown["options_schema"]["properties"]
        for _ in range(2):
            forgotten = await bench.operator.ok("POST", "/engine-versions/1.0.0/forget-options")
            assert forgotten["options_schema"] is None
        await ann.ok("POST", "/games", bad)
        missing = await bench.operator.call("POST", "/engine-versions/9.9.9/forget-options")
        assert (missing.status, missing.error_code) == (404, "engine_version.not_found")


async def refused(bench: Bench, game: object) -> None:
    ann = await bench.player("ann")
    answer = await ann.call("POST", "/games", game)
    assert (answer.status, answer.error_code) == (422, "lobby.settings_invalid")
    assert answer.json()["error"]["details"] == {"field": "engine_options.drop_idle"}
