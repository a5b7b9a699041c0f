"""The first game: two players from an empty lobby to turn 3, with reports, events and mails."""

from functools import partial

import pytest

from client.errors import Refused
from client.events.model import Event
from deploy.embedded.stack import Stack
from integration.players import mark_final, signed_in, start_game, wait_for_turn, watching

ORDERS = "D Hauler 2 0 0 0 1\nP #1 CAP\n"
TURNS = 3


async def test_two_players_play_to_turn_three(stack_on: Stack, tmp_path) -> None:
    """backend-runbook:161-163, backend-runbook:179-180."""
    async with (
        signed_in(stack_on, tmp_path, "alice") as alice,
        signed_in(stack_on, tmp_path, "bob") as bob,
        watching(alice) as alice_heard,
        watching(bob) as bob_heard,
    ):
        players = (alice, bob)
        game_id = await start_game(alice, [bob])
        for heard in (alice_heard, bob_heard):
            await heard.wait_for(lambda event: event.event_type == "notification.game.started")
        asked = await alice_heard.wait_for(
            lambda event: event.event_type == "notification.lobby.application.submitted"
        )
        mail = await alice.mailbox.wait_for(alice.email, asked.payload["applicant_name"])
        text = await alice.mailbox.text_of(mail)
        assert asked.payload["game_id"][-8:] in text, "it says how to see who asks"
        await bob_heard.wait_for(lambda event: event.event_type == "notification.lobby.application.approved")
        first = await alice.galaxy.play.report(game_id, 0)
        assert isinstance(first.report, dict)

        for turn in range(1, TURNS + 1):
            for player in players:
                stored = await player.galaxy.play.put_orders(
                    game_id, turn, {"format": "text", "text": "D Hauler 2 0 0 0 1\n" if turn == 1 else ""}
                )
                assert stored.check is not None
            await mark_final(game_id, turn, players)
            await wait_for_turn(alice, game_id, turn)
            for heard in (alice_heard, bob_heard):
                await heard.wait_for(partial(_signals_turn, turn))
                await heard.wait_for(partial(_notifies_of_turn, turn))

        for player in players:
            turns = (await player.galaxy.play.turns(game_id)).items
            assert sorted(row.turn for row in turns) == list(range(TURNS + 1))
            for turn in range(TURNS + 1):
                as_json = await player.galaxy.play.report(game_id, turn)
                assert isinstance(as_json.report, dict)
                assert as_json.report["turn"] == turn
            as_text = await player.galaxy.play.report(game_id, TURNS, format="text")
            assert isinstance(as_text.report, str)
            assert "Hauler" in as_text.report
            mail = await player.mailbox.wait_for(player.email, f"{TURNS}")
            assert mail.to == player.email

        events = [event.event_id for event in alice_heard.events if event.event_id]
        assert len(events) == len(set(events)), "no event may come twice"
        ready = alice_heard.of_type("notification.game.turn.ready")
        assert [event.payload["turn"] for event in ready] == [1, 2, 3]


async def test_a_stranger_sees_no_report_and_gives_no_orders(stack_on: Stack, tmp_path) -> None:
    async with (
        signed_in(stack_on, tmp_path, "carol") as carol,
        signed_in(stack_on, tmp_path, "dave") as dave,
        signed_in(stack_on, tmp_path, "mallory") as mallory,
    ):
        game_id = await start_game(carol, [dave])
        with pytest.raises(Refused):
            await mallory.galaxy.play.report(game_id, 0)
        with pytest.raises(Refused):
            await mallory.galaxy.play.put_orders(game_id, 1, {"format": "text", "text": ""})
        with pytest.raises(Refused):
            await mallory.galaxy.play.finalize(game_id, 1)


def _signals_turn(turn: int, event: Event) -> bool:
    return (
        event.event_type == "game.changed"
        and event.payload.get("turn") == turn
        and event.payload.get("reason") == "turn_generated"
    )


def _notifies_of_turn(turn: int, event: Event) -> bool:
    return event.event_type == "notification.game.turn.ready" and event.payload["turn"] == turn
