"""When turns fall, on real clocks of a real Postgres and with real engines."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backend.scheduler.model import Due, TurnCause
from backend.settings import SchedulerSettings
from backend.tests.game_rooms import Bench, open_bench, scheduler_of, settings_for, started_game
from kit.testing import eventually

pytestmark = pytest.mark.stores
CRON = {"kind": "cron", "cron": "0 0 1 1 *", "time_zone": "UTC"}


async def turn_of(bench: Bench, game_id: str) -> int:
    (row,) = await bench.rows("SELECT current_turn FROM game_clocks WHERE game_id = $1", game_id)
    turn: int = row["current_turn"]
    return turn


async def looked_in_vain(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait until the scheduler has looked twice from now on and found nothing."""
    scheduler = scheduler_of(bench)
    real, found = scheduler.due, asyncio.Queue[list[Due]]()

    async def due() -> list[Due]:
        dues = await real()
        found.put_nowait(dues)
        return dues

    with monkeypatch.context() as patched:
        patched.setattr(scheduler, "due", due)
        async with asyncio.timeout(10):
            for _ in range(2):
                assert await found.get() == []


async def make_due(bench: Bench, game_id: str) -> None:
    await bench.execute(
        "UPDATE game_clocks SET next_turn_at = now() - interval '1 s' WHERE game_id = $1", game_id
    )


async def test_a_rolling_deadline_brings_the_turn_and_the_next_deadline(bench: Bench):
    ann, bob = await bench.player("ann"), await bench.player("bob")
    game_id = await started_game(bench, ann, bob, schedule={"kind": "rolling", "period_seconds": 2})
    before = datetime.now(UTC)
    await bench.until(ann, game_id, current_turn=1)
    game = await ann.ok("GET", f"/games/{game_id}")
    deadline = datetime.fromisoformat(game["next_turn_at"])
    assert timedelta(0) < deadline - before < timedelta(seconds=6)


async def test_a_final_may_be_withdrawn_while_others_think(bench: Bench, monkeypatch):
    ann, bob = await bench.player("ann"), await bench.player("bob")
    game_id = await started_game(bench, ann, bob)
    final = f"/games/{game_id}/orders/final"
    await ann.ok("POST", final, {"turn": 1, "final": True})
    assert (await bob.ok("GET", f"/games/{game_id}"))["players"][0]["final"] is True
    await ann.ok("POST", final, {"turn": 1, "final": False})
    await bob.ok("POST", final, {"turn": 1, "final": True})
    await looked_in_vain(bench, monkeypatch)
    assert await turn_of(bench, game_id) == 0
    await ann.ok("POST", final, {"turn": 1, "final": True})
    await bench.until(ann, game_id, current_turn=1)


async def test_an_early_turn_does_not_wait_for_somebody_who_is_blocked(bench: Bench):
    ann, bob = await bench.player("ann"), await bench.player("bob")
    game_id = await started_game(bench, ann, bob)
    await bench.execute("UPDATE accounts SET status = 'blocked' WHERE user_id = $1", bob.user_id)
    await ann.ok("POST", f"/games/{game_id}/orders/final", {"turn": 1, "final": True})
    await bench.until(ann, game_id, current_turn=1)


async def test_new_orders_take_a_final_mark_back(bench: Bench):
    ann, bob = await bench.player("ann"), await bench.player("bob")
    game_id = await started_game(bench, ann, bob)
    await ann.ok("POST", f"/games/{game_id}/orders/final", {"turn": 1, "final": True})
    body = {"turn": 1, "orders": {"format": "json", "orders": []}}
    assert (await ann.ok("PUT", f"/games/{game_id}/orders", body))["final"] is False
    assert (await ann.ok("GET", f"/games/{game_id}/orders"))["final"] is False


async def test_without_early_turns_final_marks_wait_for_the_deadline(bench: Bench, monkeypatch):
    ann, bob = await bench.player("ann"), await bench.player("bob")
    game_id = await started_game(bench, ann, bob, early_turn=False)
    for player in (ann, bob):
        await player.ok("POST", f"/games/{game_id}/orders/final", {"turn": 1, "final": True})
    await looked_in_vain(bench, monkeypatch)
    assert await turn_of(bench, game_id) == 0
    await make_due(bench, game_id)
    await bench.until(ann, game_id, current_turn=1)


async def test_a_forced_turn_skips_the_next_tick_once(bench: Bench):
    """backend-runbook:135 backend-runbook:136: the flag is set by force-next-turn and consumed by the next tick."""
    ann, bob = await bench.player("ann"), await bench.player("bob")
    game_id = await started_game(bench, ann, bob, schedule=CRON)
    planned = (await ann.ok("GET", f"/games/{game_id}"))["next_turn_at"]
    forced = await bench.operator.ok("POST", f"/games/{game_id}/force-next-turn")
    assert forced["current_turn"] == 1
    assert forced["runtime_record"]["skip_next_tick"] is True
    assert int(forced["next_turn_at"][:4]) == int(planned[:4]) + 1, (
        "players see the tick after the skipped one"
    )
    assert ("game.force_next_turn", game_id) in bench.audited

    await make_due(bench, game_id)
    shown = await eventually_shown(bench, game_id)
    assert shown["current_turn"] == 1, "the tick passed without a turn"
    assert [move["reason"] for move in shown["deadline_moves"]] == ["tick_skipped"]

    await make_due(bench, game_id)
    await bench.until(ann, game_id, current_turn=2)
    operations = await bench.operator.ok("GET", "/runtime/operations", query={"game_id": game_id})
    assert [(row["kind"], row["requested_by"], row["outcome"]) for row in operations["items"]] == [
        ("force_next_turn", "operator:root", "succeeded"),
        ("start", "owner", "succeeded"),
    ]


async def eventually_shown(bench: Bench, game_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = {}

    async def consumed() -> bool:
        shown.update(await bench.operator.ok("GET", f"/games/{game_id}"))
        return not shown["runtime_record"]["skip_next_tick"]

    await eventually(consumed)
    return shown


async def test_a_forced_turn_of_a_rolling_game_starts_the_period_anew(bench: Bench):
    ann, bob = await bench.player("ann"), await bench.player("bob")
    game_id = await started_game(bench, ann, bob)
    (first,) = await bench.rows("SELECT next_turn_at FROM game_clocks")
    forced = await bench.operator.ok("POST", f"/games/{game_id}/force-next-turn")
    assert forced["runtime_record"]["skip_next_tick"] is False
    (then,) = await bench.rows("SELECT next_turn_at FROM game_clocks")
    assert then["next_turn_at"] > first["next_turn_at"], (
        "a period after the forced turn, not after the one before"
    )


async def test_a_pause_stops_the_clock_and_keeps_what_was_left(bench: Bench, monkeypatch):
    ann, bob = await bench.player("ann"), await bench.player("bob")
    game_id = await started_game(bench, ann, bob)
    paused = await ann.ok("POST", f"/games/{game_id}/pause")
    assert (paused["state"], paused["next_turn_at"]) == ("paused", None)
    for player in (ann, bob):  # orders are taken while it stands
        await player.ok("POST", f"/games/{game_id}/orders/final", {"turn": 1, "final": True})
    await looked_in_vain(bench, monkeypatch)
    assert await turn_of(bench, game_id) == 0
    await bench.execute("UPDATE game_clocks SET remaining = interval '10 min'")
    resumed = await ann.ok("POST", f"/games/{game_id}/resume")
    assert resumed["state"] == "running"
    left = datetime.fromisoformat(resumed["next_turn_at"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < left <= timedelta(minutes=10)
    await bench.until(ann, game_id, current_turn=1)


async def test_a_deadline_missed_while_the_platform_was_down_moves_with_a_notice(games_dsn, tmp_path):
    """Downtime never eats a player's time: what was left when the platform went down is left again."""
    settings = settings_for(
        games_dsn,
        tmp_path,
        scheduler=SchedulerSettings(
            poll_interval=timedelta(milliseconds=100), downtime_tolerance=timedelta(seconds=10)
        ),
    )
    async with open_bench(games_dsn, tmp_path, settings=settings) as bench:
        ann, bob = await bench.player("ann"), await bench.player("bob")
        rolling = await started_game(bench, ann, bob)
        tick = await started_game(bench, ann, bob, schedule=CRON)
        later = await started_game(bench, ann, bob, schedule=CRON)
        begun = await started_game(bench, ann, bob)
    async with open_bench(games_dsn, tmp_path, settings=settings, workers=False) as bench:
        # An hour ago it went down; twenty minutes later two deadlines passed.
        await bench.execute("UPDATE scheduler_heartbeat SET seen_at = now() - interval '60 min'")
        for game_id in (rolling, tick, begun):
            await bench.execute(
                "UPDATE game_clocks SET next_turn_at = now() - interval '40 min' WHERE game_id = $1", game_id
            )
        await bench.execute(
            "INSERT INTO turn_inputs (game_id, turn, request_id, cause, body_zlib, body_sha256) "
            "VALUES ($1, 1, gen_random_uuid(), 'deadline', '', '')",
            begun,
        )
        untouched = (await bench.rows("SELECT next_turn_at FROM game_clocks WHERE game_id = $1", later))[0][0]
        ann = await bench.player("ann")
        scheduler = scheduler_of(bench)
        await scheduler.beat()
        for game_id in (rolling, tick):
            game = await ann.ok("GET", f"/games/{game_id}")
            left = datetime.fromisoformat(game["next_turn_at"]) - datetime.now(UTC)
            assert timedelta(minutes=19) < left <= timedelta(minutes=20)
            (move,) = (await bench.operator.ok("GET", f"/games/{game_id}"))["deadline_moves"]
            assert (move["reason"], move["turn"]) == ("platform_down", 1)
        told = {s.payload["game_id"] for s in bench.ring.signals if s.payload["reason"] == "deadline_moved"}
        assert told == {rolling, tick}
        assert (await bench.rows("SELECT next_turn_at FROM game_clocks WHERE game_id = $1", later))[0][
            0
        ] == untouched
        assert [due.game_id for due in await scheduler.due()] == [begun], "a turn that was begun goes on"


async def test_a_short_break_moves_nothing(games_dsn, tmp_path):
    async with open_bench(games_dsn, tmp_path) as bench:
        ann, bob = await bench.player("ann"), await bench.player("bob")
        game_id = await started_game(bench, ann, bob)
    async with open_bench(games_dsn, tmp_path, workers=False) as bench:
        await bench.execute("UPDATE scheduler_heartbeat SET seen_at = now() - interval '5 s'")
        await make_due(bench, game_id)
        scheduler = scheduler_of(bench)
        await scheduler.beat()
        assert [due.game_id for due in await scheduler.due()] == [game_id]
        assert await bench.rows("SELECT * FROM deadline_moves") == []


async def test_a_single_game_does_not_wait_behind_twenty_of_another_owner(bench: Bench, monkeypatch):
    """Twenty due games whose engines hang hold half of the slots, not all."""
    ann, bob = await bench.player("ann"), await bench.player("bob")
    game_id = await started_game(bench, ann, bob)
    mallory = "0190a000-0000-7000-8000-00000000bad0"
    crowd = [
        Due(f"0190a000-0000-7000-8000-0000000000{number:02}", 1, TurnCause.DEADLINE, mallory)
        for number in range(20)
    ]
    scheduler: Any = scheduler_of(bench)
    look, turns = scheduler.due, scheduler._turns
    generate, begun, end = turns.generate, set[str](), asyncio.Event()

    async def due() -> list[Due]:
        return [*(each for each in crowd if each.game_id not in scheduler._busy), *await look()]

    async def hanging(due: Due) -> Any:
        if due not in crowd:
            return await generate(due)
        begun.add(due.game_id)
        await end.wait()
        crowd.remove(due)
        return None

    async def crowded() -> bool:
        return len(begun) == 2 and all(each.game_id in scheduler._busy for each in crowd)

    with monkeypatch.context() as patched:
        patched.setattr(scheduler, "due", due)
        patched.setattr(turns, "generate", hanging)
        await eventually(crowded)
        await make_due(bench, game_id)
        await bench.until(ann, game_id, current_turn=1)
        assert len(begun) == 2, "the crowd kept to its half"
        end.set()

        async def gone() -> bool:
            return not crowd and not scheduler._busy

        await eventually(gone)
