"""Engine versions: their order, and operators' calls about them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.engine_versions.model import is_semver, precedence
from backend.tests.game_rooms import NEW_GAME, Bench, open_bench

DIGEST = f"sha256:{'a' * 64}"


def test_versions_are_ordered_as_semver_orders_them():
    ordered = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0",
        "1.0.1",
        "1.10.0",
        "2.0.0",
    ]
    assert sorted(sorted(ordered), key=precedence) == ordered


@given(st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)))
def test_numbers_count_as_numbers(parts):
    text = ".".join(map(str, parts))
    assert is_semver(text)
    assert precedence(text)[:3] == parts


@pytest.mark.parametrize("text", ["", "1", "1.0", "v1.0.0", "1.0.0+build", "1.0.0-", "1.0.0 ", "latest"])
def test_what_is_no_version_is_told_apart(text):
    assert not is_semver(text)


@pytest.mark.stores
async def test_the_installations_own_version_is_registered_once_and_left_alone(games_dsn, tmp_path):
    async with open_bench(games_dsn, tmp_path, workers=False) as bench:
        (own,) = (await bench.operator.ok("GET", "/engine-versions"))["items"]
        assert (own["version"], own["image"], own["enabled"]) == ("1.0.0", "galaxy/game:1.0.0", True)
        await bench.operator.ok("POST", "/engine-versions/1.0.0/disable")
    async with open_bench(games_dsn, tmp_path, workers=False) as bench:
        (again,) = (await bench.operator.ok("GET", "/engine-versions"))["items"]
        assert again["enabled"] is False, "an operator's choice outlives a restart"


@pytest.mark.stores
async def test_operators_register_enable_and_disable_versions(bench: Bench):
    new = {"version": "1.1.0", "image": "galaxy/game:1.1.0", "digest": DIGEST}
    answer = await bench.operator.call("POST", "/engine-versions", new)
    assert answer.status == 201
    registered = answer.json()
    assert (registered["version"], registered["digest"], registered["enabled"]) == ("1.1.0", DIGEST, True)
    assert datetime.fromisoformat(registered["registered_at"]) <= datetime.now(UTC)
    assert (await bench.operator.ok("POST", "/engine-versions", new))["version"] == "1.1.0", "the same again"
    other = await bench.operator.call("POST", "/engine-versions", new | {"image": "galaxy/other:1"})
    assert (other.status, other.error_code) == (409, "engine_version.exists")
    wrong = await bench.operator.call("POST", "/engine-versions", new | {"version": "one"})
    assert (wrong.status, wrong.error_code) == (422, "engine_version.invalid")
    missing = await bench.operator.call("POST", "/engine-versions/9.9.9/enable")
    assert (missing.status, missing.error_code) == (404, "engine_version.not_found")
    listed = await bench.operator.ok("GET", "/engine-versions")
    assert [row["version"] for row in listed["items"]] == ["1.1.0", "1.0.0"]
    assert bench.audited[0] == ("engine_version.register", "1.1.0")


@pytest.mark.stores
async def test_new_games_take_the_newest_enabled_version_and_none_that_is_disabled(bench: Bench):
    ann = await bench.player("ann")
    await bench.operator.ok("POST", "/engine-versions", {"version": "1.1.0", "image": "galaxy/game:1.1.0"})
    assert (await ann.ok("POST", "/games", NEW_GAME))["engine_version"] == "1.1.0"
    await bench.operator.ok("POST", "/engine-versions/1.1.0/disable")
    assert (await ann.ok("POST", "/games", NEW_GAME))["engine_version"] == "1.0.0"
    assert await ann.refused("POST", "/games", {**NEW_GAME, "engine_version": "1.1.0"}) == (
        422,
        "lobby.settings_invalid",
    )
    await bench.operator.ok("POST", "/engine-versions/1.0.0/disable")
    assert await ann.refused("POST", "/games", NEW_GAME) == (422, "lobby.settings_invalid")


async def test_what_postgres_cannot_keep_is_refused_and_no_defect(bench: Bench):
    answer = await bench.operator.call("POST", "/engine-versions", {"version": "1.1.0", "image": "a\x00b"})
    assert (answer.status, answer.error_code) == (422, "invalid_request")
    answer = await bench.operator.call("POST", "/engine-versions/%00/enable")
    assert (answer.status, answer.error_code) == (404, "engine_version.not_found")
