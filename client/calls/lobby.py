"""Games before and around play: found, joined, opened, started."""

from typing import Any

from client.calls.caller import Caller
from client.calls.model import Application, Game, Invite, Nothing, Page


def rolling(period_seconds: int) -> dict[str, Any]:
    """Return the schedule "a turn falls so long after the last one"."""
    return {"kind": "rolling", "period_seconds": period_seconds}


def cron(line: str, time_zone: str) -> dict[str, Any]:
    """Return the schedule of a cron line in a time zone."""
    return {"kind": "cron", "cron": line, "time_zone": time_zone}


class LobbyCalls:
    """Commands `lobby.*`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def games(
        self,
        *,
        mine: bool | None = None,
        state: str | None = None,
        page: int | None = None,
        page_size: int | None = None,
    ) -> Page[Game]:
        """Return games: all that the player may see, or his own."""
        return await self._caller.read(
            "lobby.game.list", Page[Game], mine=mine, state=state, page=page, page_size=page_size
        )

    async def game(self, game_id: str) -> Game:
        """Return one game."""
        return await self._caller.read("lobby.game.get", Game, game_id=game_id)

    async def create(
        self, name: str, race_name: str, *, idempotency_key: str | None = None, **settings: Any
    ) -> Game:
        """Create a game as a draft; its owner is a member at once. `settings` are the platform's own names."""
        return await self._caller.change(
            "lobby.game.create",
            Game,
            idempotency_key=idempotency_key,
            name=name,
            race_name=race_name,
            **settings,
        )

    async def open(self, game_id: str) -> Game:
        """Let players apply."""
        return await self._caller.change("lobby.game.open", Game, game_id=game_id)

    async def start(self, game_id: str) -> Game:
        """Start the engine and turn 0."""
        return await self._caller.change("lobby.game.start", Game, game_id=game_id)

    async def pause(self, game_id: str) -> Game:
        """Stop the clock of a running game."""
        return await self._caller.change("lobby.game.pause", Game, game_id=game_id)

    async def resume(self, game_id: str) -> Game:
        """Let a paused game go on."""
        return await self._caller.change("lobby.game.resume", Game, game_id=game_id)

    async def cancel(self, game_id: str) -> Game:
        """Give a game up before it runs."""
        return await self._caller.change("lobby.game.cancel", Game, game_id=game_id)

    async def apply(self, game_id: str, race_name: str) -> Application:
        """Ask to play under a race's name."""
        return await self._caller.change(
            "lobby.application.submit", Application, game_id=game_id, race_name=race_name
        )

    async def applications(self, game_id: str) -> Page[Application]:
        """Return who asks to play; for the owner."""
        return await self._caller.read("lobby.application.list", Page[Application], game_id=game_id)

    async def approve(self, game_id: str, application_id: str) -> Application:
        """Let an applicant play."""
        return await self._caller.change(
            "lobby.application.approve", Application, game_id=game_id, application_id=application_id
        )

    async def reject(self, game_id: str, application_id: str) -> Application:
        """Turn an applicant away."""
        return await self._caller.change(
            "lobby.application.reject", Application, game_id=game_id, application_id=application_id
        )

    async def invite(self, game_id: str, email: str) -> Invite:
        """Invite whoever has this address."""
        return await self._caller.change("lobby.invite.create", Invite, game_id=game_id, email=email)

    async def invites(self) -> Page[Invite]:
        """Return the invitations sent to the player, open ones first."""
        return await self._caller.read("lobby.invite.list", Page[Invite])

    async def accept_invite(self, invite_id: str, race_name: str) -> Nothing:
        """Join by an invitation."""
        return await self._caller.change(
            "lobby.invite.accept", Nothing, invite_id=invite_id, race_name=race_name
        )

    async def decline_invite(self, invite_id: str) -> Nothing:
        """Turn an invitation down."""
        return await self._caller.change("lobby.invite.decline", Nothing, invite_id=invite_id)

    async def leave(self, game_id: str) -> Nothing:
        """Leave a game before its start."""
        return await self._caller.change("lobby.membership.leave", Nothing, game_id=game_id)
