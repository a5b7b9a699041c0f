"""A player's event stream outlives the gateway: what happened meanwhile comes after all, and comes once."""

from collections.abc import Awaitable, Callable

from deploy.embedded.stack import Stack
from integration.ledger import column
from integration.players import signed_in, start_game, watching
from kit.testing import eventually

# Turns fall by the clock, so that they go on while no player can reach the platform.
EVERY_TWO_SECONDS = {"kind": "rolling", "period_seconds": 2}


async def test_turns_that_fell_while_the_gateway_was_dead_are_heard_once(own_stack: Stack, tmp_path) -> None:
    async with (
        signed_in(own_stack, tmp_path, "alice") as alice,
        signed_in(own_stack, tmp_path, "bob") as bob,
        watching(alice) as heard,
    ):
        game_id = await start_game(
            alice, [bob], schedule=EVERY_TWO_SECONDS, early_turn=False, missed_turn_policy="hold"
        )

        async def generated() -> int:
            turns = await column(
                own_stack, "SELECT turn FROM backend.turns WHERE game_id = $1 ORDER BY turn DESC", game_id
            )
            return int(turns[0]) if turns else 0

        def signals() -> list[int]:
            return [
                event.payload["turn"]
                for event in heard.of_type("game.changed")
                if event.payload["reason"] == "turn_generated" and event.payload["turn"] > 0
            ]

        def notices() -> list[int]:
            return [event.payload["turn"] for event in heard.of_type("notification.game.turn.ready")]

        await eventually(lambda: _true(1 in signals() and 1 in notices()), 30)
        own_stack.kill("gateway")
        killed_at = await generated()
        await eventually(lambda: _at_least(generated, killed_at + 2), 30)
        missed = await generated()
        assert missed not in signals()
        own_stack.start("gateway")
        await eventually(lambda: _true(missed in signals() and missed in notices()), 60)
        await alice.galaxy.lobby.pause(game_id)

        assert [event for event in heard.events if event.event_type == "gateway.resync_required"] == []
        for turns in (signals(), notices()):
            assert sorted(turns) == list(range(1, max(turns) + 1)), "none is missing, none came twice"
        assert len(heard.of_type("gateway.server_time")) >= 2, "the stream was opened anew"


async def _true(value: bool) -> bool:
    return value


async def _at_least(count: Callable[[], Awaitable[int]], wanted: int) -> bool:
    return await count() >= wanted
