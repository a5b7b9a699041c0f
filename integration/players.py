"""People with devices: they sign in with a code from their mail, hear events, and play."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from client.events.model import Event
from client.sdk import Galaxy
from integration.mailbox import Mailbox
from kit.testing import eventually

# Long enough that no turn falls by itself within a test: turns come by final marks.
NO_DEADLINE: dict[str, Any] = {"kind": "rolling", "period_seconds": 86_400}


class Platform(Protocol):
    """A running platform, however it was started."""

    def url(self, address: str) -> str:
        """Return where `gateway.public`, `gateway.edge` or `mailcatcher.http` is reached."""


@dataclass(frozen=True)
class Player:
    """A signed-in person at one device."""

    name: str
    email: str
    galaxy: Galaxy
    mailbox: Mailbox

    @property
    def user_id(self) -> str:
        """Return the account's id."""
        return self.galaxy.identity.user_id

    @property
    def session_id(self) -> str:
        """Return the device session's id."""
        return self.galaxy.identity.device_session_id


@asynccontextmanager
async def signed_in(
    platform: Platform, home: Path, name: str, device: str = "first"
) -> AsyncIterator[Player]:
    """Sign a person in at a device of his own; the second device of one name is the same account."""
    async with returning(platform, home, name, device) as player:
        email, mailbox = player.email, player.mailbox
        earlier = len([mail for mail in await mailbox.mails(email) if "code" in mail.subject.lower()])
        await player.galaxy.sign_in(
            email, lambda: mailbox.code_for(email, beyond=earlier), device_name=device
        )
        yield player


@asynccontextmanager
async def returning(
    platform: Platform, home: Path, name: str, device: str = "first"
) -> AsyncIterator[Player]:
    """Open the profile that a person signed in with before, at the addresses where the platform is reached now."""
    galaxy = Galaxy(
        profile=f"{name}-{device}",
        home=home,
        gateway_url=platform.url("gateway.public"),
        edge_url=platform.url("gateway.edge"),
    )
    async with galaxy:
        yield Player(name, f"{name}@players.test", galaxy, Mailbox(platform.url("mailcatcher.http")))


class EventLog:
    """Everything that a player's stream gave, gathered beside the test."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.ended: BaseException | None = None
        self._news = asyncio.Event()

    def of_type(self, event_type: str) -> list[Event]:
        """Return the events of one type in the order of arrival."""
        return [event for event in self.events if event.event_type == event_type]

    async def wait_for(self, wanted: Callable[[Event], bool], timeout: float = 30) -> Event:
        """Wait for an event, also among those that came already. Raises what ended the stream, or TimeoutError."""
        async with asyncio.timeout(timeout):
            while True:
                found = next((event for event in self.events if wanted(event)), None)
                if found is not None:
                    return found
                if self.ended is not None:
                    raise self.ended
                self._news.clear()
                await self._news.wait()

    async def wait_for_end(self, timeout: float = 30) -> BaseException:
        """Wait until the stream has ended for good and return why."""
        async with asyncio.timeout(timeout):
            while self.ended is None:
                self._news.clear()
                await self._news.wait()
        return self.ended

    async def follow(self, galaxy: Galaxy) -> None:
        """Gather until the stream ends for good."""
        try:
            async for event in galaxy.events():
                self.events.append(event)
                self._news.set()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever ended it is what the test asks for
            self.ended = error
        self._news.set()


@asynccontextmanager
async def watching(player: Player) -> AsyncIterator[EventLog]:
    """Follow a player's events for the length of the context; entered once the stream stands."""
    log = EventLog()
    task = asyncio.create_task(log.follow(player.galaxy))
    try:
        await log.wait_for(lambda event: event.event_type == "gateway.server_time")
        yield log
    finally:
        task.cancel()
        await asyncio.wait([task])


async def start_game(owner: Player, others: Sequence[Player], **settings: Any) -> str:
    """Create, fill and start a game; return its id once it runs."""
    lobby = owner.galaxy.lobby
    chosen = {"schedule": NO_DEADLINE, "early_turn": True, "min_players": 1 + len(others), **settings}
    game = await lobby.create(f"Game of {owner.name}", owner.name.capitalize(), **chosen)
    await lobby.open(game.game_id)
    for other in others:
        application = await other.galaxy.lobby.apply(game.game_id, other.name.capitalize())
        await lobby.approve(game.game_id, application.application_id)
    await lobby.start(game.game_id)
    await wait_for_state(owner, game.game_id, "running")
    return game.game_id


async def wait_for_state(player: Player, game_id: str, state: str, timeout: float = 60) -> None:
    """Wait until a game is in a state, as a player sees it."""

    async def there() -> bool:
        return (await player.galaxy.lobby.game(game_id)).state == state

    await eventually(there, timeout, interval=0.1)


async def wait_for_turn(player: Player, game_id: str, turn: int, timeout: float = 60) -> None:
    """Wait until a turn of a game has been generated."""

    async def there() -> bool:
        return ((await player.galaxy.lobby.game(game_id)).current_turn or 0) >= turn

    await eventually(there, timeout, interval=0.1)


async def mark_final(game_id: str, turn: int, players: Sequence[Player]) -> None:
    """Let every player say that the orders of `turn` stand; the last mark brings the turn."""
    for player in players:
        await player.galaxy.play.finalize(game_id, turn)
