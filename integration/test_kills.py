"""Kills at named points: each holds a process between two effects, kills it there, and compares exact sets afterwards.

Every test fails unless work was in flight at the kill: the process itself writes the marker file when it reaches the point.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.embedded.stack import Stack, isolated_stack
from integration.ledger import column, rows, stream_entries
from integration.players import mark_final, signed_in, start_game, wait_for_turn, watching
from kit.testing import eventually

# What a killed process held comes back when its lease runs out; in service that takes minutes.
SHORT_LEASES = {
    "BACKEND_OUTBOX_LEASE": "5s",
    "NOTIFICATION_ROUTE_LEASE": "5s",
    "NOTIFICATION_ROUTE_WORKER_INTERVAL": "1s",
    "MAIL_SMTP_TIMEOUT": "2s",
    "MAIL_SMTP_FINAL_TIMEOUT": "3s",
    "MAIL_LEASE": "20s",
    "MAIL_UNKNOWN_WAIT": "1s",
}


class Trap:
    """A stack whose one service is armed at one point."""

    def __init__(self, stack: Stack, service: str, marker: Path) -> None:
        self.stack = stack
        self._service = service
        self._marker = marker

    def set(self, point: str, arrival: int = 1) -> None:
        """Restart the service, armed."""
        self.stack.stop(self._service)
        self.stack.set_variable(self._variable, f"{point}:{self._marker}:{arrival}")
        self.stack.start(self._service)

    async def caught(self) -> None:
        """Wait until the service stands at the point, kill it there, and let it come back unarmed."""

        async def marked() -> bool:
            return self._marker.exists()

        await eventually(marked, 60)
        self.stack.kill(self._service)
        self.stack.set_variable(self._variable, None)
        self.stack.start(self._service)

    @property
    def _variable(self) -> str:
        return f"{self._service.upper()}_FAULT_POINT"


@pytest.fixture
def trap(request, tmp_path: Path, postgres_admin_dsn: str, valkey_url: str) -> Iterator[Trap]:
    service = request.param
    with isolated_stack(
        tmp_path / "stack", admin_dsn=postgres_admin_dsn, redis_url=valkey_url, variables=SHORT_LEASES
    ) as stack:
        yield Trap(stack, service, tmp_path / "marker")


@pytest.mark.parametrize("trap", ["backend"], indirect=True)
async def test_after_the_engines_answer_before_the_commit(trap: Trap, tmp_path) -> None:
    """The turn was computed and not published: it is recomputed to the same bytes and published once."""
    async with (
        signed_in(trap.stack, tmp_path, "alice") as alice,
        signed_in(trap.stack, tmp_path, "bob") as bob,
    ):
        game_id = await start_game(alice, [bob])
        await alice.galaxy.play.put_orders(game_id, 1, {"format": "text", "text": "D Scout 1 0 0 0 0\n"})
        trap.set("after_engine_answer")
        async with watching(alice) as alice_heard, watching(bob) as bob_heard:
            await mark_final(game_id, 1, (alice, bob))
            assert await column(trap.stack, "SELECT turn FROM backend.turns WHERE turn > 0") == []
            await trap.caught()
            await wait_for_turn(alice, game_id, 1)
            for heard in (alice_heard, bob_heard):
                await heard.wait_for(lambda event: event.event_type == "notification.game.turn.ready")
        assert await column(trap.stack, "SELECT turn FROM backend.turns ORDER BY turn") == [0, 1]
        answers = await column(trap.stack, "SELECT DISTINCT state_hash FROM backend.turns WHERE turn = 1")
        assert len(answers) == 1
        reports = await rows(
            trap.stack, "SELECT DISTINCT player_id FROM backend.reports WHERE turn = 1 ORDER BY player_id"
        )
        assert [str(row["player_id"]) for row in reports] == sorted([alice.user_id, bob.user_id])
        for player, heard in ((alice, alice_heard), (bob, bob_heard)):
            assert len(heard.of_type("notification.game.turn.ready")) == 1
            report = await player.galaxy.play.report(game_id, 1)
            assert isinstance(report.report, dict)
        text = (await alice.galaxy.play.report(game_id, 1, format="text")).report
        assert "Scout" in text


@pytest.mark.parametrize("trap", ["backend"], indirect=True)
async def test_after_the_xadd_of_an_intent_before_its_mark(trap: Trap, tmp_path) -> None:
    """The intent is in the stream twice and in notification's records once: nobody hears it twice."""
    async with (
        signed_in(trap.stack, tmp_path, "alice") as alice,
        signed_in(trap.stack, tmp_path, "bob") as bob,
    ):
        game_id = await start_game(alice, [bob])
        await settled(trap.stack)
        trap.set("outbox.after_xadd")
        async with watching(alice) as alice_heard, watching(bob) as bob_heard:
            await mark_final(game_id, 1, (alice, bob))
            await trap.caught()
            for heard in (alice_heard, bob_heard):
                await heard.wait_for(lambda event: event.event_type == "notification.game.turn.ready")
            await settled(trap.stack)
            for heard in (alice_heard, bob_heard):
                assert len(heard.of_type("notification.game.turn.ready")) == 1
        entries = [
            entry
            for entry in await stream_entries(trap.stack, "notification:intents")
            if entry["notification_type"] == "game.turn.ready"
        ]
        assert len(entries) > len({entry["idempotency_key"] for entry in entries}), "nothing was in flight"
        await exactly_what_was_meant(trap.stack)


@pytest.mark.parametrize("trap", ["mail"], indirect=True)
async def test_after_smtps_250_before_the_mark(trap: Trap, tmp_path) -> None:
    """The relay took the mail and nobody noted it: it may come twice, under one Message-ID, and no other mail does."""
    async with (
        signed_in(trap.stack, tmp_path, "alice") as alice,
        signed_in(trap.stack, tmp_path, "bob") as bob,
    ):
        game_id = await start_game(alice, [bob])
        await settled(trap.stack)
        trap.set("mail.after_250")
        await mark_final(game_id, 1, (alice, bob))
        await trap.caught()
        await wait_for_turn(alice, game_id, 1)
        await settled(trap.stack, timeout=180)
        for player in (alice, bob):
            await player.mailbox.wait_for(player.email, "turn 1")
        copies = Counter(mail.message_id for mail in await alice.mailbox.mails())
        doubled = [message_id for message_id, count in copies.items() if count > 1]
        in_flight = 2  # both players' turn mails were due when the process was killed
        assert len(doubled) <= in_flight
        assert max(copies.values()) <= 2
        unknown = await column(
            trap.stack, "SELECT entry_id FROM mail.deliveries_attempts WHERE outcome = 'unknown'"
        )
        assert unknown, "nothing was in flight"
        await exactly_what_was_meant(trap.stack)


@pytest.mark.parametrize("trap", ["notification"], indirect=True)
async def test_in_the_middle_of_a_fan_out(trap: Trap, tmp_path) -> None:
    """Some routes of an intent were published and some not: afterwards each was, and each event has one id."""
    async with (
        signed_in(trap.stack, tmp_path, "alice") as alice,
        signed_in(trap.stack, tmp_path, "bob") as bob,
        signed_in(trap.stack, tmp_path, "carol") as carol,
    ):
        players = (alice, bob, carol)
        game_id = await start_game(alice, [bob, carol])
        await settled(trap.stack)
        trap.set("notification.push_publisher.mid_fan_out")
        async with watching(alice) as a, watching(bob) as b, watching(carol) as c:
            await mark_final(game_id, 1, players)
            await trap.caught()
            for heard in (a, b, c):
                await heard.wait_for(
                    lambda event: event.event_type == "notification.game.turn.ready", timeout=120
                )
            await settled(trap.stack, timeout=180)
            for player, heard in zip(players, (a, b, c), strict=True):
                ready = heard.of_type("notification.game.turn.ready")
                assert len({event.event_id for event in ready}) == 1, player.name
                await player.mailbox.wait_for(player.email, "turn 1")
        await exactly_what_was_meant(trap.stack)


async def settled(stack: Stack, timeout: float = 60) -> None:
    """Wait until every committed intent and mail has come to its end in every table on its way."""

    async def nothing_open() -> bool:
        still_open = await column(
            stack,
            "SELECT (SELECT count(*) FROM backend.outbox WHERE finished_at IS NULL)"
            " + (SELECT count(*) FROM notification.routes WHERE finished_at IS NULL)"
            " + (SELECT count(*) FROM mail.deliveries WHERE finished_at IS NULL)",
        )
        intents = await column(
            stack,
            "SELECT (SELECT count(*) FROM backend.outbox WHERE lane = 'intent' AND state = 'published')"
            " - (SELECT count(*) FROM notification.records)",
        )
        mails = await column(
            stack,
            "SELECT (SELECT count(*) FROM backend.outbox WHERE lane = 'mail' AND state = 'published')"
            " + (SELECT count(*) FROM notification.routes WHERE lane = 'email' AND state = 'published')"
            " - (SELECT count(*) FROM mail.deliveries)",
        )
        return still_open == [0] and intents == [0] and mails == [0]

    await eventually(nothing_open, timeout)


async def exactly_what_was_meant(stack: Stack) -> None:
    """Compare the sets of ids along the whole way: intents → records → routes → deliveries → mails."""
    meant = await column(stack, "SELECT idempotency_key FROM backend.outbox WHERE lane = 'intent'")
    recorded = await column(stack, "SELECT idempotency_key FROM notification.records")
    assert sorted(recorded) == sorted(meant)
    states = Counter(await column(stack, "SELECT state FROM notification.routes"))
    assert set(states) <= {"published", "skipped"}
    commanded = await column(
        stack, "SELECT id FROM notification.routes WHERE lane = 'email' AND state = 'published'"
    ) + await column(stack, "SELECT id FROM backend.outbox WHERE lane = 'mail'")
    delivered = await column(stack, "SELECT id FROM mail.deliveries WHERE state = 'sent'")
    assert sorted(map(str, delivered)) == sorted(map(str, commanded))
    from integration.mailbox import Mailbox

    mailbox = Mailbox(stack.url("mailcatcher.http"))
    arrived = {mail.message_id.strip("<>").partition("@")[0] for mail in await mailbox.mails()}
    assert arrived == {str(delivery) for delivery in delivered}
