"""One of the demo's players: signs in, listens, commands, and remembers what it saw."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from client.calls.play import order_text
from client.demo.commander import Character, Commander
from client.demo.errors import DemoFailed, NotSeen
from client.demo.mailbox import Mailbox
from client.events import Event
from client.events.model import CONNECTED
from client.sdk import Galaxy

Report = dict[str, Any]


@dataclass
class Seen:
    """What came to a player, for the account at the end."""

    events: list[Event] = field(default_factory=list)
    reports: dict[int, Report] = field(default_factory=dict)
    turn_signals: set[int] = field(default_factory=set)
    turn_notices: set[int] = field(default_factory=set)
    orders_given: int = 0
    orders_rejected: int = 0
    code_seconds: float = 0.0


class DemoPlayer:
    """A scripted player at a real device of the SDK. `listen` must run beside everything after the sign-in."""

    def __init__(self, email: str, race: str, character: Character, galaxy: Galaxy) -> None:
        self.email = email
        self.race = race
        self.galaxy = galaxy
        self.seen = Seen()
        self._commander = Commander(character)
        self._news = asyncio.Condition()
        self._ended: BaseException | None = None

    async def sign_in(self, mailbox: Mailbox) -> None:
        """Sign in with the code that the platform mails."""
        asked_at = time.monotonic()
        await self.galaxy.sign_in(self.email, lambda: mailbox.code(self.email), device_name="demo")
        self.seen.code_seconds = time.monotonic() - asked_at
        await self.galaxy.account.update(display_name=self.race)

    async def listen(self) -> None:
        """Take events for ever; whoever waits hears of the end of the stream too."""
        try:
            async for event in self.galaxy.events():
                self._note(event)
                async with self._news:
                    self._news.notify_all()
        except Exception as error:
            self._ended = error
            async with self._news:
                self._news.notify_all()
            raise

    async def connected(self, timeout: float) -> None:
        """Wait until the event stream stands."""
        await self.heard(
            lambda: any(event.event_type == CONNECTED for event in self.seen.events),
            "its event stream",
            timeout,
        )

    async def heard(self, met: Callable[[], bool], what: str, timeout: float) -> None:
        """Wait until the events seen so far meet a condition; raise NotSeen after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout), self._news:
                await self._news.wait_for(lambda: met() or self._ended is not None)
        except TimeoutError:
            raise NotSeen(f"{self.race} did not see {what} within {timeout:.0f} s.") from None
        if not met():
            raise DemoFailed(f"The event stream of {self.race} ended: {self._ended}")

    async def heard_turn(self, turn: int, timeout: float) -> None:
        """Wait for both words of a new turn: the signal and the notification."""
        await self.heard(
            lambda: turn in self.seen.turn_signals and turn in self.seen.turn_notices,
            f"turn {turn} as signal and as notification",
            timeout,
        )

    async def read_report(self, game_id: str, turn: int) -> None:
        """Fetch and keep the report on a turn."""
        found = await self.galaxy.play.report(game_id, turn)
        if not isinstance(found.report, dict) or found.report.get("turn") != turn:
            raise NotSeen(f"{self.race} asked for the report on turn {turn} and got another.")
        self.seen.reports[turn] = found.report

    async def give_orders(self, game_id: str, turn: int) -> None:
        """Think, file the orders of a turn, and mark them final."""
        text = self._commander.orders(self.seen.reports[turn - 1])
        stored = await self.galaxy.play.put_orders(game_id, turn, order_text(text))
        self.seen.orders_given += len(text.splitlines())
        self.seen.orders_rejected += int((stored.check or {}).get("rejected", 0))
        await self.galaxy.play.finalize(game_id, turn)

    def _note(self, event: Event) -> None:
        self.seen.events.append(event)
        turn = event.payload.get("turn")
        if event.event_type == "game.changed" and event.payload.get("reason") == "turn_generated":
            self.seen.turn_signals.add(int(turn or 0))
        if event.event_type == "notification.game.turn.ready":
            self.seen.turn_notices.add(int(turn or 0))
