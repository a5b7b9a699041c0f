"""Events in a player's words: what `watch` writes of each, without the names that the wire has for them."""

from collections.abc import Callable
from typing import Any

from client.calls.model import Game
from client.errors import CannotReach, Refused
from client.events import Event
from client.events.model import CONNECTED, RESYNC_REQUIRED
from client.sdk import Galaxy

_Words = Callable[[dict[str, Any]], str]

TURN_READY = "notification.game.turn.ready"
_LOST = "some of what happened was lost on the way: galaxy games and galaxy game show how things stand"

_SAID: dict[str, _Words] = {
    RESYNC_REQUIRED: lambda _: _LOST,
    TURN_READY: lambda payload: f"{payload['game']}: turn {payload.get('turn')} is ready",
    "notification.game.started": lambda payload: f"{payload['game']} has started",
    "notification.lobby.application.submitted": lambda payload: (
        f"{payload.get('applicant_name')} wants to play in {payload['game']}"
    ),
    "notification.lobby.application.approved": lambda payload: (
        f"you play in {payload['game']} as {payload.get('race_name')}"
    ),
    "notification.lobby.invite.created": lambda payload: (
        f"{payload.get('inviter_name')} invites you to {payload['game']}"
    ),
    "notification.account.new_device": lambda payload: (
        f"a new device signed in: {payload.get('device_name')}"
    ),
    "lobby.changed": lambda payload: f"{payload['game']}: {_plain(payload.get('reason'))}",
    "account.changed": lambda payload: (
        f"your account: {_plain(str(payload.get('reason')).removeprefix('account_'))}"
    ),
}


class Teller:
    """Turns the events of one watch into sentences; knows which games they are about and what was told already."""

    def __init__(self, galaxy: Galaxy) -> None:
        self._galaxy = galaxy
        self._names: dict[str, str] = {}
        self._turns: set[tuple[str, int]] = set()
        self._connected = False

    async def tell(self, event: Event) -> str | None:
        """Return an event's sentence, or None where the player knows it already.

        A turn comes twice, as a signal and as a notification, each of which may be lost without the other: the first one is
        told.
        """
        if event.event_type == CONNECTED:
            again, self._connected = self._connected, True
            return "connected again" if again else "connected: what happens is told here, Ctrl-C ends it"
        payload = {**event.payload, "game": await self._name(event)}
        if event.event_type == "game.changed":
            payload["said"] = await self._change(payload)
            if payload.get("reason") != "turn_generated":
                return f"{payload['game']}: {payload['said']}"
        if event.event_type in {"game.changed", TURN_READY}:
            turn = (str(payload.get("game_id") or payload["game"]), int(payload.get("turn") or 0))
            if turn in self._turns:
                return None
            self._turns.add(turn)
            return _SAID[TURN_READY](payload)
        words = _SAID.get(event.event_type)
        if words:
            return words(payload)
        return " ".join([event.event_type, ", ".join(f"{k}={v}" for k, v in event.payload.items())]).rstrip()

    async def _change(self, payload: dict[str, Any]) -> str:
        """Say what has changed in a game: the new state, whose orders are final, or what the reason says."""
        turn = payload.get("turn")
        match str(payload.get("reason")):
            case "state_changed":
                return f"now {_plain(payload.get('state'))}"
            case "final_changed":
                game = await self._look_up(str(payload.get("game_id", "")))
                # The signal does not say whose mark it is; once the turn has fallen there is none to look at any more.
                return _marks(game) if game and game.current_turn == turn else "final marks have changed"
            case "deadline_moved":
                return "the next turn's time has moved"
            case reason:
                return _plain(reason) + ("" if turn is None else f", turn {turn}")

    async def _name(self, event: Event) -> str:
        """Return the name of the event's game, the end of its id where it cannot be found, empty where it has none."""
        game_id = str(event.payload.get("game_id", ""))
        name = str(event.payload.get("game_name") or self._names.get(game_id, ""))
        if not name and game_id:
            game = await self._look_up(game_id)
            name = game.name if game else game_id[-8:]
        if game_id:
            self._names[game_id] = name
        return name

    async def _look_up(self, game_id: str) -> Game | None:
        try:
            return await self._galaxy.lobby.game(game_id)
        except (Refused, CannotReach):
            return None


def _marks(game: Game) -> str:
    """Say whose orders are final and whose are not; computers mark nothing."""
    mine = game.me.race_name if game.me else None
    marks: dict[bool, list[str]] = {True: [], False: []}
    for player in game.players:
        if player.user_id is not None and player.status == "active":
            marks[player.final].append("you" if player.race_name == mine else player.race_name)
    final = f"final: {', '.join(marks[True]) or 'nobody'}"
    return final + (f"; still open: {', '.join(marks[False])}" if marks[False] else "")


def _plain(word: Any) -> str:
    return str(word).replace("_", " ")
