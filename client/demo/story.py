"""The demo's story, from two addresses in a mailbox to the last turn."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from client.calls.lobby import rolling
from client.demo.commander import PIONEER, SCHOLAR
from client.demo.errors import NotSeen
from client.demo.mailbox import Mailbox, wait_until
from client.demo.player import DemoPlayer
from client.sdk import Galaxy

# No turn may fall by its deadline while we play: all come by final marks.
_PERIOD_SECONDS = 86_400
_START_TIMEOUT = 120.0
_TURN_TIMEOUT = 60.0
_MAIL_TIMEOUT = 90.0

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Addresses:
    """Where the platform's public surface is."""

    gateway_url: str
    edge_url: str
    mail_url: str


@dataclass
class Played:
    """What the demo saw, for its account."""

    game_id: str
    game_name: str
    turns: int
    players: tuple[DemoPlayer, ...]
    turn_seconds: list[float] = field(default_factory=list)
    mails: dict[str, list[str]] = field(default_factory=dict)
    start_seconds: float = 0.0
    whole_seconds: float = 0.0


async def play(addresses: Addresses, home: Path, turns: int, tell: Tell) -> Played:
    """Play a whole game through the public surface; raise DemoFailed or a GalaxyError where something is missing."""
    begun_at = time.monotonic()
    mailbox = Mailbox(addresses.mail_url)
    await mailbox.check()
    async with _players(addresses, home) as players:
        await asyncio.gather(*(player.sign_in(mailbox) for player in players))
        tell("both players signed in with codes from their mail")
        async with _listening(players):
            played = await _play_together(players, mailbox, turns, tell)
    played.whole_seconds = time.monotonic() - begun_at
    return played


async def _play_together(players: tuple[DemoPlayer, ...], mailbox: Mailbox, turns: int, tell: Tell) -> Played:
    owner = players[0]
    game_id, name = await _make_game(players)
    played = Played(game_id, name, turns, players)
    tell(f"{name} is made, joined and approved")
    begun_at = time.monotonic()
    await owner.galaxy.lobby.start(game_id)
    await wait_until(lambda: _is_running(owner, game_id), f"the start of {name}", _START_TIMEOUT)
    played.start_seconds = time.monotonic() - begun_at
    await asyncio.gather(*(player.read_report(game_id, 0) for player in players))
    tell("its engine runs, and both have their report on turn 0")
    for turn in range(1, turns + 1):
        await asyncio.gather(*(player.give_orders(game_id, turn) for player in players))
        final_at = time.monotonic()
        await asyncio.gather(*(player.heard_turn(turn, _TURN_TIMEOUT) for player in players))
        played.turn_seconds.append(time.monotonic() - final_at)
        await asyncio.gather(*(player.read_report(game_id, turn) for player in players))
        worlds = ", ".join(f"{player.race} {len(player.seen.reports[turn]['planets'])}" for player in players)
        tell(f"turn {turn} reached both as event and report (worlds: {worlds})")
    await _collect_mails(played, mailbox)
    return played


async def _make_game(players: tuple[DemoPlayer, ...]) -> tuple[str, str]:
    owner, guest = players
    name = f"Demo {secrets.token_hex(2).upper()}"
    game = await owner.galaxy.lobby.create(
        name,
        owner.race,
        visibility="public",
        min_players=2,
        max_players=2,
        schedule=rolling(_PERIOD_SECONDS),
        early_turn=True,
    )
    await owner.galaxy.lobby.open(game.game_id)
    found = (await guest.galaxy.lobby.games(state="enrollment_open", page_size=200)).items
    if game.game_id not in {each.game_id for each in found}:
        raise NotSeen(f"{guest.race} does not find {name} in the lobby.")
    await guest.galaxy.lobby.apply(game.game_id, guest.race)
    waiting = (await owner.galaxy.lobby.applications(game.game_id)).items
    application = next((each for each in waiting if each.race_name == guest.race), None)
    if application is None:
        raise NotSeen(f"{owner.race} does not find the application of {guest.race}.")
    await owner.galaxy.lobby.approve(game.game_id, application.application_id)
    return game.game_id, name


async def _is_running(player: DemoPlayer, game_id: str) -> bool:
    game = await player.galaxy.lobby.game(game_id)
    if game.state == "start_failed":
        detail = game.runtime.detail if game.runtime else ""
        raise NotSeen(f"The engine of {game.name} did not start: {detail or 'see the logs of the backend'}.")
    return game.state == "running" and game.current_turn is not None


async def _collect_mails(played: Played, mailbox: Mailbox) -> None:
    """Wait for every mail that the game must have caused: a code, the start, each turn; the guest's approval too."""
    for player in played.players:
        expected = 2 + played.turns + (player is not played.players[0])

        async def arrived(player: DemoPlayer = player, expected: int = expected) -> bool:
            subjects = [mail.subject for mail in await mailbox.mails(player.email)]
            played.mails[player.race] = subjects
            return len(subjects) >= expected

        await wait_until(arrived, f"the {expected} mails to {player.race}", _MAIL_TIMEOUT)


@asynccontextmanager
async def _players(addresses: Addresses, home: Path) -> AsyncIterator[tuple[DemoPlayer, ...]]:
    # Fresh people each time, so that the demo may be run again and again on one platform.
    mark = secrets.token_hex(3)
    cast = (("terrans", "Terrans", PIONEER), ("vegans", "Vegans", SCHOLAR))
    async with AsyncExitStack() as stack:
        players = []
        for name, race, character in cast:
            galaxy = Galaxy(
                f"demo-{name}", home=home, gateway_url=addresses.gateway_url, edge_url=addresses.edge_url
            )
            await stack.enter_async_context(galaxy)
            players.append(DemoPlayer(f"{name}-{mark}@demo.example", race, character, galaxy))
        yield tuple(players)


@asynccontextmanager
async def _listening(players: tuple[DemoPlayer, ...]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(player.listen()) for player in players]
    try:
        await asyncio.gather(*(player.connected(30) for player in players))
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
