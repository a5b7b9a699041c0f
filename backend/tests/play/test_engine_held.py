"""What an engine holds is loaded, turned and replayed by one at a time; a player's order check waits for its turn."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from backend.play import checking
from backend.play.checking import OrderChecks
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


@pytest.fixture
def checkers(monkeypatch: pytest.MonkeyPatch) -> list[OrderChecks]:
    """What order checks went through so far."""
    used: list[OrderChecks] = []
    real = OrderChecks.verdicts

    async def verdicts(checks: OrderChecks, *arguments: Any) -> Any:
        used.append(checks)
        return await real(checks, *arguments)

    monkeypatch.setattr(OrderChecks, "verdicts", verdicts)
    return used


def waiting_or_through(
    bench: Bench,
    game_id: str,
    asking: asyncio.Task[Any],
    restores: HeldBack,
    checkers: list[OrderChecks],
) -> Callable[[], Any]:
    """Return a condition: the task waits for the game's lock or for another check, or has gone past where it should have."""
    turns: Any = scheduler_of(bench)._turns
    states: EngineStates = turns._engine_states

    async def decided() -> bool:
        locks = [states._locks, *(checks._lines for checks in checkers)]
        users = max(lock._locks.get(game_id, (None, 0))[1] for lock in locks)
        return users == 2 or asking.done() or not restores.asked.empty()

    return decided


class HeldChecks:
    """Checks that have come to an engine's door and wait there until they are let go; by player."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.let_go = asyncio.Event()
        real = EngineClient.check

        async def check(client: EngineClient, body: Mapping[str, Any]) -> Mapping[str, Any]:
            self.asked.append(body["player_id"])
            await self.let_go.wait()
            return await real(client, body)

        monkeypatch.setattr(EngineClient, "check", check)

    async def came(self, count: int) -> None:
        async def reached() -> bool:
            return len(self.asked) == count

        await eventually(reached)


@pytest.fixture
def held_checks(monkeypatch: pytest.MonkeyPatch) -> HeldChecks:
    return HeldChecks(monkeypatch)


async def check(player: PlayerClient, game_id: str) -> Any:
    """Return the engine's verdicts on orders for turn 2."""
    return await player.ok("POST", f"/games/{game_id}/orders/check", {"turn": 2, "orders": NOTHING})


async def test_an_order_check_does_not_load_the_engine_that_a_patch_replays_in(
    bench: Bench, restores, checkers
):
    """The new engine is empty until the patch has given it turn n − 1; a check must not give it turn n before that."""
    ann, _, game_id = await played_one_turn(bench)
    await bench.operator.ok("POST", "/engine-versions", {"version": "1.0.1", "image": "galaxy/game:1.0.1"})
    patching = asyncio.create_task(
        bench.operator.call("POST", f"/games/{game_id}/patch", {"engine_version": "1.0.1"})
    )
    async with asyncio.timeout(20):
        await restores.asked.get()
    checking = asyncio.create_task(check(ann, game_id))
    await eventually(waiting_or_through(bench, game_id, checking, restores, checkers))
    restores.let_go.set()
    patched = await patching
    assert patched.ok, patched.body
    assert (await checking)["check"]["rejected"] == 0
    assert (await ann.ok("GET", f"/games/{game_id}"))["engine_version"] == "1.0.1"


async def test_two_order_checks_at_once_load_an_empty_engine_once(bench: Bench, restores, checkers):
    ann, bob, game_id = await played_one_turn(bench)
    await bench.operator.ok("POST", f"/games/{game_id}/restart")
    first = asyncio.create_task(check(ann, game_id))
    async with asyncio.timeout(20):
        await restores.asked.get()
    second = asyncio.create_task(check(bob, game_id))
    await eventually(waiting_or_through(bench, game_id, second, restores, checkers))
    restores.let_go.set()
    for answer in await asyncio.gather(first, second):
        assert answer["check"]["rejected"] == 0
    assert restores.asked.empty(), "the engine was loaded twice"


async def test_a_turn_goes_ahead_of_the_checks_that_wait(bench: Bench, checkers, held_checks):
    ann, bob, game_id = await played_one_turn(bench)
    checking_now = [asyncio.create_task(check(player, game_id)) for player in (ann, bob)]

    async def both_wait() -> bool:
        return bool(checkers) and checkers[0]._lines._locks.get(game_id, (None, 0))[1] == 2

    await eventually(both_wait)
    await held_checks.came(1)
    forced = await bench.operator.ok("POST", f"/games/{game_id}/force-next-turn")
    assert forced["current_turn"] == 2
    assert len(held_checks.asked) == 1, "an engine is given one check at a time"
    assert not any(task.done() for task in checking_now)
    held_checks.let_go.set()
    late = await asyncio.gather(*checking_now, return_exceptions=True)
    assert all(
        isinstance(error, AssertionError) and "play.engine_unavailable" in str(error) for error in late
    )


async def test_a_player_has_one_check_under_way_and_a_game_a_few(bench: Bench, held_checks, monkeypatch):
    """Who floods is refused at once, and keeps nobody else waiting; orders are stored all the same."""
    ann, bob, game_id = await played_one_turn(bench)
    first = asyncio.create_task(check(ann, game_id))
    await held_checks.came(1)
    path, body = f"/games/{game_id}/orders", {"turn": 2, "orders": NOTHING}
    answer = await ann.call("POST", f"{path}/check", body)
    assert (answer.status, answer.error_code) == (429, "play.check_busy")
    assert answer.headers["Retry-After"] == "1"
    assert (await ann.ok("PUT", path, body))["check"] is None
    assert (await ann.ok("GET", path))["orders"] == NOTHING
    monkeypatch.setattr(checking, "CHECKS_PER_GAME_MAX", 1)
    assert await bob.refused("POST", f"{path}/check", body) == (429, "play.check_busy")
    assert (await bob.ok("PUT", path, body))["check"] is None
    held_checks.let_go.set()
    assert (await first)["check"]["rejected"] == 0
    assert (await check(bob, game_id))["check"]["rejected"] == 0
    assert held_checks.asked == [ann.user_id, bob.user_id]


async def test_a_check_that_nobody_waits_for_makes_room(bench: Bench, held_checks, monkeypatch):
    ann, _, game_id = await played_one_turn(bench)
    monkeypatch.setattr(checking, "CHECK_TIMEOUT_SECONDS", 0.01)
    path, body = f"/games/{game_id}/orders/check", {"turn": 2, "orders": NOTHING}
    for _ in range(2):
        assert await ann.refused("POST", path, body) == (409, "play.engine_unavailable")
