"""Alerts of operators: which failure is told by which notification type, and how often."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from backend.outbox.model import AudienceKind, Intent
from backend.outbox.ports import Outbox
from backend.runtime.errors import ConfigInvalid, ImagePullFailed, RuntimeFailure
from kit.clock import Clock
from kit.postgres import Connection

_ERROR_MAX = 1000


@dataclass(frozen=True)
class AlertedGame:
    """What an alert says of a game, and whose it is."""

    game_id: str
    name: str
    owner_id: str
    engine_version: str


class Alerts:
    """Tells operators, within the transaction that notes the failure.

    Bounded by the intents' keys: what repeats within the hour is told once: mails that come too often are read by nobody.
    Whatever is not mailed still stands in the operation log and in the state of the game.
    """

    def __init__(
        self, outbox: Outbox, clock: Clock, game_of: Callable[[Connection, str], Awaitable[AlertedGame]]
    ) -> None:
        """`game_of` reads a game that has been started, within the transaction it is given."""
        self._outbox = outbox
        self._clock = clock
        self._game_of = game_of

    async def first_start_failed(self, connection: Connection, game_id: str, failure: RuntimeFailure) -> None:
        """Tell of a start that somebody asked for: of each owner and kind once an hour, however many games they try."""
        game = await self._game_of(connection, game_id)
        await self._tell(connection, _kind_of(failure), game, str(failure), game.owner_id)

    async def restart_failed(self, connection: Connection, game_id: str, failure: RuntimeFailure) -> None:
        """Tell that an engine that ran does not come up again: of each game and kind once an hour."""
        game = await self._game_of(connection, game_id)
        await self._tell(connection, _kind_of(failure), game, str(failure), game_id)

    async def turn_failed(self, connection: Connection, game_id: str, error: str) -> None:
        """Tell that a game was paused since a turn failed too often: of each game once an hour."""
        game = await self._game_of(connection, game_id)
        await self._tell(connection, "runtime.turn_failed", game, error, game_id)

    async def _tell(
        self, connection: Connection, kind: str, game: AlertedGame, error: str, whose: str
    ) -> None:
        payload = {
            "game_id": game.game_id,
            "game_name": game.name,
            "engine_version": game.engine_version,
            "error": error[:_ERROR_MAX],
        }
        hour = f"{self._clock.now():%Y-%m-%dT%H}"
        await self._outbox.add_intent(
            connection, Intent(kind, f"{kind}:{whose}:{hour}", payload, audience_kind=AudienceKind.ADMIN)
        )


def _kind_of(failure: RuntimeFailure) -> str:
    match failure:
        case ImagePullFailed():
            return "runtime.image_pull_failed"
        case ConfigInvalid():
            return "runtime.start_config_invalid"
        case _:
            return "runtime.container_start_failed"
