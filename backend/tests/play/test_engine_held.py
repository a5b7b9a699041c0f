"""What an engine holds is loaded, turned and replayed by one at a time; a player's order check waits for its turn."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from backend.play.engine_state import EngineStates
from backend.runtime.engine_client import EngineClient, EngineGame, EngineSave
from backend.tests.game_rooms import Bench, PlayerClient, scheduler_of, started_game
from kit.testing import eventually

pytestmark = pytest.mark.stores
NOTHING = {"format": "json", "orders": []}


class HeldBack:
    """Restores that have been asked for and wait until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = asyncio.Queue[None]()
        self.let_go = asyncio.Event()
        real = EngineClient.restore

        async def restore(client: EngineClient, save: EngineSave) -> EngineGame:
            self.asked.put_nowait(None)
            await self.let_go.wait()
            return await real(client, save)

        monkeypatch.setattr(EngineClient, "restore", restore)


@pytest.fixture
def restores(monkeypatch: pytest.MonkeyPatch) -> HeldBack:
    return HeldBack(monkeypatch)


async def played_one_turn(bench: Bench) -> tuple[PlayerClient, PlayerClient, str]:
    ann, bob = await bench.player("ann"), await bench.player("bob")
    game_id = await started_game(bench, ann, bob)
    await bench.operator.ok("POST", f"/games/{game_id}/force-next-turn")
    return ann, bob, game_id


def waiting_or_through(
    bench: Bench, game_id: str, asking: asyncio.Task[Any], restores: HeldBack
) -> Callable[[], Any]:
    """Return a condition: the task waits for the game's lock, or has gone past where it should have waited."""
    turns: Any = scheduler_of(bench)._turns
    states: EngineStates = turns._engine_states

    async def decided() -> bool:
        _, users = states._locks._locks.get(game_id, (None, 0))
        return users == 2 or asking.done() or not restores.asked.empty()

    return decided


async def check(player: PlayerClient, game_id: str) -> Any:
    """Return the engine's verdicts on orders for turn 2."""
    return await player.ok("POST", f"/games/{game_id}/orders/check", {"turn": 2, "orders": NOTHING})


async def test_an_order_check_does_not_load_the_engine_that_a_patch_replays_in(bench: Bench, restores):
    """The new engine is empty until the patch has given it turn n − 1; a check must not give it turn n before that."""
    ann, _, game_id = await played_one_turn(bench)
    await bench.operator.ok("POST", "/engine-versions", {"version": "1.0.1", "image": "galaxy/game:1.0.1"})
    patching = asyncio.create_task(
        bench.operator.call("POST", f"/games/{game_id}/patch", {"engine_version": "1.0.1"})
    )
    async with asyncio.timeout(20):
        await restores.asked.get()
    checking = asyncio.create_task(check(ann, game_id))
    await eventually(waiting_or_through(bench, game_id, checking, restores))
    restores.let_go.set()
    patched = await patching
    assert patched.ok, patched.body
    assert (await checking)["check"]["rejected"] == 0
    assert (await ann.ok("GET", f"/games/{game_id}"))["engine_version"] == "1.0.1"


async def test_two_order_checks_at_once_load_an_empty_engine_once(bench: Bench, restores):
    ann, bob, game_id = await played_one_turn(bench)
    await bench.operator.ok("POST", f"/games/{game_id}/restart")
    first = asyncio.create_task(check(ann, game_id))
    async with asyncio.timeout(20):
        await restores.asked.get()
    second = asyncio.create_task(check(bob, game_id))
    await eventually(waiting_or_through(bench, game_id, second, restores))
    restores.let_go.set()
    for answer in await asyncio.gather(first, second):
        assert answer["check"]["rejected"] == 0
    assert restores.asked.empty(), "the engine was loaded twice"
