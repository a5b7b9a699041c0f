"""Moving a running game to another engine version."""

import pytest

from backend.tests.game_rooms import Bench, PlayerClient, open_bench, started_game
from kit.testing import eventually

pytestmark = pytest.mark.stores


async def played(bench: Bench) -> tuple[PlayerClient, str]:
    ann, bob = await bench.player("ann"), await bench.player("bob")
    game_id = await started_game(bench, ann, bob)
    await bench.operator.ok("POST", f"/games/{game_id}/force-next-turn")
    for version in ("1.0.1", "2.0.0"):
        body = {"version": version, "image": f"galaxy/game:{version}"}
        await bench.operator.ok("POST", "/engine-versions", body)
    return ann, game_id


async def patches(bench: Bench) -> list[tuple[str, str]]:
    rows = await bench.rows("SELECT outcome, requested_by FROM runtime_operation_log WHERE kind = 'patch'")
    return [(row["outcome"], row["requested_by"]) for row in rows]


async def test_a_game_moves_to_a_version_that_replays_its_last_turn(bench: Bench):
    """backend-runbook:126 backend-runbook:127: a patch is a row of the operation log too."""
    _, game_id = await played(bench)
    patched = await bench.operator.ok("POST", f"/games/{game_id}/patch", {"engine_version": "1.0.1"})
    assert patched["engine_version"] == "1.0.1"
    assert patched["runtime_record"]["engine_version"] == "1.0.1"
    assert patched["runtime"]["status"] == "running"
    await bench.operator.ok("POST", f"/games/{game_id}/force-next-turn")
    turns = await bench.rows("SELECT engine_version FROM turns ORDER BY turn")
    assert [row["engine_version"] for row in turns] == ["1.0.0", "1.0.0", "1.0.1"]
    assert await patches(bench) == [("succeeded", "operator:root")]
    assert ("game.patch", game_id) in bench.audited


async def test_any_drift_puts_the_old_version_back(bench: Bench):
    ann, game_id = await played(bench)
    (turn,) = await bench.rows("SELECT state_hash FROM turns WHERE turn = 1")
    await bench.execute("UPDATE turns SET state_hash = 'another' WHERE turn = 1")
    answer = await bench.operator.call("POST", f"/games/{game_id}/patch", {"engine_version": "1.0.1"})
    assert (answer.status, answer.error_code) == (409, "play.patch_drifted")
    await bench.execute("UPDATE turns SET state_hash = $1 WHERE turn = 1", turn["state_hash"])
    shown = await bench.operator.ok("GET", f"/games/{game_id}")
    assert (shown["engine_version"], shown["runtime_record"]["engine_version"]) == ("1.0.0", "1.0.0")
    assert await patches(bench) == [("failed", "operator:root")]
    await bench.operator.ok("POST", f"/games/{game_id}/force-next-turn")
    assert (await ann.ok("GET", f"/games/{game_id}"))["current_turn"] == 2


@pytest.mark.parametrize("version", ["2.0.0", "1.0.0", "9.9.9"])
async def test_only_another_enabled_version_of_the_same_major_will_do(bench: Bench, version):
    _, game_id = await played(bench)
    answer = await bench.operator.call("POST", f"/games/{game_id}/patch", {"engine_version": version})
    assert (answer.status, answer.error_code) == (422, "play.patch_refused")
    assert await patches(bench) == []


async def test_a_patch_that_died_half_way_never_was(games_dsn, tmp_path):
    async with open_bench(games_dsn, tmp_path) as bench:
        _, game_id = await played(bench)
        await bench.execute("UPDATE runtime_records SET engine_version = '1.0.1', revision = revision + 1")
    async with open_bench(games_dsn, tmp_path) as bench:
        shown = await bench.operator.ok("GET", f"/games/{game_id}")
        assert shown["runtime_record"]["engine_version"] == "1.0.0"

        async def is_back() -> bool:
            again = await bench.operator.ok("GET", f"/games/{game_id}")
            return bool(again["runtime"]["status"] == "running")

        await eventually(is_back)  # the engine died with the backend, which is ready before its successor is
        await bench.operator.ok("POST", f"/games/{game_id}/force-next-turn")
