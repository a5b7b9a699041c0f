"""A turn under faults: whatever dies, the same bytes come out, once."""

import asyncio
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backend.play.generation import Generated
from backend.play.worker import GameStartWorker
from backend.scheduler.model import Due, TurnCause
from backend.settings import RuntimeSettings
from backend.tests.game_rooms import (
    NEW_GAME,
    Bench,
    PlayerClient,
    open_bench,
    scheduler_of,
    settings_for,
    started_game,
)
from kit.faults import ArmedFault, Faults
from kit.testing import eventually

pytestmark = pytest.mark.stores


async def two(bench: Bench) -> tuple[PlayerClient, PlayerClient]:
    return await bench.player("ann"), await bench.player("bob")


async def finalize(game_id: str, turn: int, *players: PlayerClient) -> None:
    for player in players:
        body = {"turn": turn, "orders": {"format": "text", "text": f"; turn {turn}\n"}}
        await player.ok("PUT", f"/games/{game_id}/orders", body)
        await player.ok("POST", f"/games/{game_id}/orders/final", {"turn": turn, "final": True})


def generator_of(bench: Bench) -> Any:
    """Return the turn generator, open to being tampered with."""
    return scheduler_of(bench)._turns


def engine_pid(ref: str) -> int:
    return int(ref.split("-")[1])


async def exists(path: Path) -> bool:
    return path.exists()  # noqa: ASYNC240 - one look at a marker file


async def test_a_death_after_the_engines_answer_publishes_the_same_turn_later(games_dsn, tmp_path):
    """The engine had answered and nothing was committed: the next life asks with the same bytes and gets the same state."""
    marker = tmp_path / "reached"
    faults = Faults(ArmedFault("after_engine_answer", marker))
    async with open_bench(games_dsn, tmp_path, faults=faults) as bench:
        ann, bob = await two(bench)
        game_id = await started_game(bench, ann, bob)
        await finalize(game_id, 1, ann, bob)
        await eventually(lambda: exists(marker), 20)
        # The engine has the turn, the archive has not.
        engines = generator_of(bench)._engine_states
        client = engines._clients.of(engines._engines.endpoint_of(game_id))
        held = await client.find_game()
        assert held is not None
        assert held.turn == 1
        (inputs,) = await bench.rows("SELECT * FROM turn_inputs")
        assert await bench.rows("SELECT * FROM turns WHERE turn = 1") == []
        assert await bench.intents("game.turn.ready") == []
        closed = {"turn": 1, "orders": {"format": "json", "orders": []}}
        assert await ann.refused("PUT", f"/games/{game_id}/orders", closed) == (409, "play.turn_closed")
    async with open_bench(games_dsn, tmp_path) as bench:
        ann, bob = await two(bench)
        await bench.until(ann, game_id, current_turn=1)
        (turn,) = await bench.rows("SELECT * FROM turns WHERE turn = 1")
        assert turn["state_hash"] == held.state_hash
        (again,) = await bench.rows("SELECT * FROM turn_inputs")
        assert dict(again) == dict(inputs)
        assert [intent["turn"] for intent in await bench.intents("game.turn.ready")] == [1]
        (save,) = await bench.rows("SELECT * FROM saves WHERE turn = 1")
        assert save["sha256"] == held.state_hash
        await finalize(game_id, 2, ann, bob)
        await bench.until(ann, game_id, current_turn=2)


async def test_an_engine_killed_between_turns_comes_back_from_its_save(bench: Bench):
    ann, bob = await two(bench)
    game_id = await started_game(bench, ann, bob)
    await finalize(game_id, 1, ann, bob)
    await bench.until(ann, game_id, current_turn=1)
    shown = await bench.operator.ok("GET", f"/games/{game_id}")
    os.kill(engine_pid(shown["runtime_record"]["container_ref"]), signal.SIGKILL)

    async def noted() -> bool:
        game = await ann.ok("GET", f"/games/{game_id}")
        return bool(game["runtime"]["status"] == "crashed")

    await eventually(noted, 10)
    for player in (ann, bob):
        await player.ok("POST", f"/games/{game_id}/orders/final", {"turn": 2, "final": True})

    async def put_off() -> bool:
        (clock,) = await bench.rows("SELECT retry_at FROM game_clocks")
        return clock["retry_at"] is not None

    await eventually(put_off)
    assert (await ann.ok("GET", f"/games/{game_id}"))["current_turn"] == 1, "the turn waits for its engine"
    restarted = await bench.operator.ok("POST", f"/games/{game_id}/restart")
    assert restarted["runtime"]["status"] == "running"
    await bench.until(ann, game_id, current_turn=2)
    (clock,) = await bench.rows("SELECT failures FROM game_clocks")
    assert clock["failures"] == 0
    turns = await ann.ok("GET", f"/games/{game_id}/turns")
    assert [turn["turn"] for turn in turns["items"]] == [2, 1, 0]


async def test_an_engine_killed_while_it_computes_costs_one_failure_and_no_turn(games_dsn, tmp_path):
    async with open_bench(games_dsn, tmp_path, workers=False) as bench:
        ann, bob = await two(bench)
        scheduler = scheduler_of(bench)
        game_id = await began(bench, ann, bob)
        await finalize(game_id, 1, ann, bob)
        generator = generator_of(bench)
        states = generator._engine_states
        real_ready = states.ready

        async def ready_then_dead(game):
            client = await real_ready(game)
            record = states._engines.record_of(game_id)
            os.kill(engine_pid(record.container_ref), signal.SIGKILL)
            return client

        states.ready = ready_then_dead
        (due,) = await scheduler.due()
        assert await generator.generate(due) is Generated.FAILED
        states.ready = real_ready
        (inputs,) = await bench.rows("SELECT * FROM turn_inputs")
        (clock,) = await bench.rows("SELECT * FROM game_clocks")
        assert (clock["failures"], clock["current_turn"]) == (1, 0)
        await states._engines.restart(game_id, "system")
        assert await generator.generate(due) is Generated.PUBLISHED
        (again,) = await bench.rows("SELECT * FROM turn_inputs")
        assert dict(again) == dict(inputs)
        assert await generator.generate(due) is Generated.NOT_DUE, "a turn is generated at most once"


async def began(bench: Bench, ann: PlayerClient, bob: PlayerClient) -> str:
    """Start a game without workers."""
    game_id: str = (await ann.ok("POST", "/games", NEW_GAME))["game_id"]
    await ann.ok("POST", f"/games/{game_id}/open")
    application = await bob.ok("POST", f"/games/{game_id}/applications", {"race_name": "Vulcans"})
    await ann.ok("POST", f"/games/{game_id}/applications/{application['application_id']}/approve")
    await ann.ok("POST", f"/games/{game_id}/start")
    (starts,) = [worker for worker in bench.rooms.workers if isinstance(worker, GameStartWorker)]
    assert await starts._starter.start(game_id)
    return game_id


async def test_publication_is_atomic(games_dsn, tmp_path):
    """New turn, reports, save, deadline and intents commit together, or nothing does."""
    async with open_bench(games_dsn, tmp_path, workers=False) as bench:
        ann, bob = await two(bench)
        game_id = await began(bench, ann, bob)
        await bench.execute(
            "CREATE FUNCTION no_intent() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN IF NEW.kind = 'game.turn.ready' THEN RAISE EXCEPTION 'no intent today'; END IF; RETURN NEW; END $$"
        )
        await bench.execute(
            "CREATE TRIGGER no_intent BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION no_intent()"
        )
        await finalize(game_id, 1, ann, bob)
        due = Due(game_id, 1, TurnCause.EARLY, ann.user_id)
        generator = generator_of(bench)
        signals = len(bench.ring.signals)
        with pytest.raises(Exception, match="no intent today"):
            await generator.generate(due)
        for table in ("turns", "reports", "saves"):
            assert await bench.rows(f"SELECT * FROM {table} WHERE turn = 1") == []  # noqa: S608 - three names above
        assert (await ann.ok("GET", f"/games/{game_id}"))["current_turn"] == 0
        assert len(bench.ring.signals) == signals
        await bench.execute("DROP TRIGGER no_intent ON outbox")
        assert await generator.generate(due) is Generated.PUBLISHED
        assert (await ann.ok("GET", f"/games/{game_id}"))["current_turn"] == 1


async def test_two_generators_at_once_publish_once(games_dsn, tmp_path):
    async with open_bench(games_dsn, tmp_path, workers=False) as bench:
        ann, bob = await two(bench)
        game_id = await began(bench, ann, bob)
        await finalize(game_id, 1, ann, bob)
        due = Due(game_id, 1, TurnCause.EARLY, ann.user_id)
        generator = generator_of(bench)
        outcomes = await asyncio.gather(*(generator.generate(due) for _ in range(4)))
        assert sorted(outcomes) == ["not_due", "not_due", "not_due", "published"]
        assert len(await bench.intents("game.turn.ready")) == 1


async def test_while_engines_are_away_no_turn_is_lost_and_deadlines_move(games_dsn, tmp_path):
    """The service that runs engines does not answer at the deadline: orders stay open, and players are told."""
    async with open_bench(games_dsn, tmp_path, workers=False) as bench:
        ann, bob = await two(bench)
        game_id = await began(bench, ann, bob)
        await bench.execute("UPDATE game_clocks SET next_turn_at = now() - interval '1 s'")
        generator = generator_of(bench)
        (due,) = await scheduler_of(bench).due()
        engines = generator._engines
        engines._sightings.away = "the line is cut"
        assert await generator.generate(due) is Generated.PUT_OFF
        game = await ann.ok("GET", f"/games/{game_id}")
        assert (game["state"], game["current_turn"]) == ("running", 0)
        assert game["runtime"]["status"] == "unavailable"
        assert datetime.fromisoformat(game["next_turn_at"]) > datetime.now(UTC) + timedelta(seconds=50)
        assert [s.payload["reason"] for s in bench.ring.signals][-1] == "deadline_moved"
        (move,) = (await bench.operator.ok("GET", f"/games/{game_id}"))["deadline_moves"]
        assert move["reason"] == "engines_away"
        assert await bench.rows("SELECT * FROM turn_inputs") == []
        assert await scheduler_of(bench).due() == []
        body = {"turn": 1, "orders": {"format": "json", "orders": []}}
        assert (await ann.ok("PUT", f"/games/{game_id}/orders", body))["check"] is None
        engines._sightings.away = ""
        await bench.execute("UPDATE game_clocks SET next_turn_at = now(), retry_at = NULL")
        (due,) = await scheduler_of(bench).due()
        assert await generator.generate(due) is Generated.PUBLISHED


async def test_three_failures_of_one_turn_pause_the_game_and_alert_the_operators(games_dsn, tmp_path):
    async with open_bench(games_dsn, tmp_path) as bench:
        ann, bob = await two(bench)
        game_id = await started_game(bench, ann, bob)
    async with open_bench(games_dsn, tmp_path) as bench:
        ann, bob = await two(bench)
        await bench.execute("UPDATE saves SET sha256 = repeat('0', 64)")  # an archive that no engine takes
        await finalize(game_id, 1, ann, bob)
        game = await bench.until(ann, game_id, state="paused")
        assert game["state_reason"] == "turn_failed"
        (alert,) = await bench.intents("runtime.turn_failed")
        assert (alert["audience"], alert["game_id"], alert["game_name"]) == ("admin", game_id, "Sol")
        assert "save_corrupt" in alert["error"]
        (turn,) = await bench.rows("SELECT state_hash FROM turns")
        await bench.execute("UPDATE saves SET sha256 = $1", turn["state_hash"])
        assert (await ann.ok("POST", f"/games/{game_id}/resume"))["state"] == "running"
        await bench.until(ann, game_id, current_turn=1)


async def test_settings_that_the_engine_refuses_end_in_start_failed(bench: Bench):
    ann, bob = await two(bench)
    game = await ann.ok("POST", "/games", {**NEW_GAME, "engine_options": {"size": "huge"}})
    game_id = game["game_id"]
    await ann.ok("POST", f"/games/{game_id}/open")
    application = await bob.ok("POST", f"/games/{game_id}/applications", {"race_name": "Vulcans"})
    await ann.ok("POST", f"/games/{game_id}/applications/{application['application_id']}/approve")
    starting = await ann.ok("POST", f"/games/{game_id}/start")
    assert starting["state"] in {"starting", "start_failed"}
    failed = await bench.until(ann, game_id, state="start_failed")
    assert failed["state_reason"] == "ConfigInvalid"
    (alert,) = await bench.intents("runtime.start_config_invalid")
    assert "options.size" in alert["error"]
    assert await bench.intents("game.started") == []
    await bench.until(ann, game_id, runtime={"status": "stopped", "detail": ""})
    # The engine has said what it takes: the same again is refused before anything boots, to this game and to new ones.
    again = await ann.call("POST", f"/games/{game_id}/start")
    assert (again.status, again.error_code) == (422, "lobby.settings_invalid")
    assert again.json()["error"]["details"]["field"] == "engine_options.size"
    new = await ann.call("POST", "/games", {**NEW_GAME, "engine_options": {"size": "huge"}})
    assert (new.status, new.error_code) == (422, "lobby.settings_invalid")
    assert len(await bench.intents("runtime.start_config_invalid")) == 1
    assert (await ann.ok("POST", f"/games/{game_id}/cancel"))["state"] == "cancelled"


async def test_a_game_that_ends_is_finished_and_its_engine_stopped(bench: Bench):
    ann, bob = await two(bench)
    options = {**NEW_GAME["engine_options"], "max_turns": 1}
    game_id = await started_game(bench, ann, bob, engine_options=options)
    await finalize(game_id, 1, ann, bob)
    game = await bench.until(ann, game_id, state="finished", runtime={"status": "stopped", "detail": ""})
    assert (game["current_turn"], game["next_turn_at"]) == (1, None)
    assert game["finished_at"] is not None
    (ready,) = await bench.intents("game.turn.ready")
    assert ready["deadline_at"] is None
    assert (await bob.ok("GET", f"/games/{game_id}/turns/1/report"))["turn"] == 1
    body = {"turn": 2, "orders": {"format": "json", "orders": []}}
    assert await ann.refused("PUT", f"/games/{game_id}/orders", body) == (409, "play.not_playing")


async def test_a_start_that_died_half_way_is_taken_up_by_the_next_backend(games_dsn, tmp_path):
    async with open_bench(games_dsn, tmp_path, workers=False) as bench:
        ann, bob = await two(bench)
        game_id = (await ann.ok("POST", "/games", NEW_GAME))["game_id"]
        await ann.ok("POST", f"/games/{game_id}/open")
        application = await bob.ok("POST", f"/games/{game_id}/applications", {"race_name": "Vulcans"})
        await ann.ok("POST", f"/games/{game_id}/applications/{application['application_id']}/approve")
        assert (await ann.ok("POST", f"/games/{game_id}/start"))["state"] == "starting"
    async with open_bench(games_dsn, tmp_path) as bench:
        ann, _ = await two(bench)
        await bench.until(ann, game_id, state="running")
        assert len(await bench.intents("game.started")) == 1


@pytest.mark.containers
async def test_a_game_is_played_in_a_container_and_outlives_the_backend(games_dsn, tmp_path, engine_image):
    """One turn on the docker adapter; the next backend finds the engine running and plays on with it."""
    import secrets

    import docker

    from backend.settings import DockerSettings, EngineSettings

    network = f"galaxy-test-{secrets.token_hex(4)}"
    settings = settings_for(
        games_dsn,
        tmp_path,
        runtime=RuntimeSettings(
            adapter="docker",
            image_pull_policy="never",
            reconcile_interval=timedelta(seconds=2),
            memory_mib=256,
        ),
        docker=DockerSettings(network=network),
        engine=EngineSettings(bootstrap_version="1.0.0", bootstrap_image=engine_image),
        stack_label=network,
    )
    api = docker.APIClient(version="auto")
    try:
        async with open_bench(games_dsn, tmp_path, settings=settings) as bench:
            ann, bob = await two(bench)
            game_id = await started_game(bench, ann, bob)
            await finalize(game_id, 1, ann, bob)
            await bench.until(ann, game_id, current_turn=1)
            ref = (await bench.operator.ok("GET", f"/games/{game_id}"))["runtime_record"]["container_ref"]
        async with open_bench(games_dsn, tmp_path, settings=settings) as bench:
            ann, bob = await two(bench)
            record = (await bench.operator.ok("GET", f"/games/{game_id}"))["runtime_record"]
            assert (record["container_ref"], record["status"]) == (ref, "running")
            await finalize(game_id, 2, ann, bob)
            await bench.until(ann, game_id, current_turn=2)
            await bench.operator.ok("POST", f"/games/{game_id}/stop")
        assert api.containers(all=True, filters={"label": f"galaxy.stack={network}"}) == []
    finally:
        for row in api.containers(all=True, filters={"label": f"galaxy.stack={network}"}):
            api.remove_container(row["Id"], force=True)
        for row in api.networks(names=[network]):
            api.remove_network(row["Id"])
        api.close()
