"""Games as the wire shows them (docs/ARCHITECTURE.md, 3.3): plain JSON values made for one viewer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from backend.lobby.model import Application, Game, GameState, Invite, Member
from backend.lobby.ports import Finals, RuntimeStates
from backend.lobby.storage import LobbyStorage
from backend.scheduler.model import Clock, Schedule, ScheduleKind, shown_deadline
from backend.scheduler.service import GameClocks
from backend.users.ports import Users
from kit.clock import rfc3339
from kit.postgres import Connection


class GameViews:
    """Puts together what the rooms know of a game."""

    def __init__(
        self, storage: LobbyStorage, users: Users, clocks: GameClocks, runtime: RuntimeStates, finals: Finals
    ) -> None:
        self._storage = storage
        self._users = users
        self._clocks = clocks
        self._runtime = runtime
        self._finals = finals

    async def one(self, connection: Connection, game: Game, viewer_id: str) -> dict[str, Any]:
        """Return one game as `viewer_id` sees it."""
        return (await self.many(connection, [game], viewer_id))[0]

    async def many(
        self, connection: Connection, games: Sequence[Game], viewer_id: str
    ) -> list[dict[str, Any]]:
        """Return games as `viewer_id` sees them, in the same order."""
        ids = [game.game_id for game in games]
        applications = await self._storage.last_applications(connection, ids, viewer_id)
        clocks = await self._clocks.list(connection, ids)
        finals = await self._finals.finals_of(connection, list(clocks)) if clocks else {}
        return [
            self._game(
                game,
                viewer_id,
                applications.get(game.game_id),
                clocks.get(game.game_id),
                finals.get(game.game_id, frozenset()),
            )
            for game in games
        ]

    def application(self, application: Application) -> dict[str, Any]:
        """Return an application as owner and applicant see it."""
        return {
            "application_id": application.application_id,
            "game_id": application.game_id,
            "user": self._person(application.user_id),
            "race_name": application.race_name,
            "status": application.status,
            "created_at": rfc3339(application.created_at),
        }

    def invite(self, invite: Invite, game: Game) -> dict[str, Any]:
        """Return an invite as the one invited sees it."""
        return {
            "invite_id": invite.invite_id,
            "game_id": invite.game_id,
            "game_name": game.settings.name,
            "inviter": self._person(invite.inviter_id),
            "status": invite.status,
            "created_at": rfc3339(invite.created_at),
        }

    def _game(
        self,
        game: Game,
        viewer_id: str,
        application: Application | None,
        clock: Clock | None,
        finals: frozenset[str],
    ) -> dict[str, Any]:
        chosen = game.settings
        me = game.member_of(viewer_id)
        deadline = (
            shown_deadline(chosen.schedule, clock.next_turn_at, clock.skip_next_tick) if clock else None
        )
        status, detail = self._runtime.status_of(game.game_id)
        return {
            "game_id": game.game_id,
            "name": chosen.name,
            "visibility": chosen.visibility,
            "state": game.state,
            "state_reason": game.state_reason,
            "owner": self._person(game.owner_id),
            "min_players": chosen.min_players,
            "max_players": chosen.max_players,
            "start_gap_hours": chosen.start_gap_hours,
            "start_gap_players": chosen.start_gap_players,
            "enrollment_ends_at": _instant(chosen.enrollment_ends_at),
            "gap_ends_at": _instant(game.gap_ends_at),
            "schedule": schedule_view(chosen.schedule),
            "early_turn": chosen.early_turn,
            "missed_turn_policy": chosen.missed_turn_policy,
            "first_turn_allowance_hours": chosen.first_turn_allowance_hours,
            "engine_version": chosen.engine_version,
            "engine_options": chosen.engine_options,
            "bots": chosen.bots,
            "current_turn": clock.current_turn if clock else None,
            "next_turn_at": _instant(deadline),
            "runtime": {"status": status, "detail": detail},
            "players": [self._player(member, finals) for member in game.members],
            "me": {
                "role": _role(game, viewer_id),
                "race_name": me.race_name if me else None,
                "application": {
                    "application_id": application.application_id,
                    "status": application.status,
                    "race_name": application.race_name,
                }
                if application
                else None,
                "final": me is not None and me.player_id in finals,
            },
            "created_at": rfc3339(game.created_at),
            "started_at": _instant(game.started_at),
            "finished_at": _instant(game.finished_at),
        }

    def _player(self, member: Member, finals: frozenset[str]) -> dict[str, Any]:
        name = self._person(member.user_id)["display_name"] if member.user_id else "Computer"
        return {
            "user_id": member.user_id,
            "player_id": member.player_id,
            "display_name": name,
            "race_name": member.race_name,
            "status": member.status,
            "final": member.player_id in finals,
        }

    def _person(self, user_id: str) -> dict[str, Any]:
        account = self._users.find(user_id)
        return {"user_id": user_id, "display_name": account.display_name if account else ""}


def schedule_view(schedule: Schedule) -> dict[str, Any]:
    """Return a schedule as the wire shows it."""
    if schedule.kind is ScheduleKind.ROLLING:
        assert schedule.period is not None
        return {"kind": schedule.kind, "period_seconds": int(schedule.period.total_seconds())}
    return {"kind": schedule.kind, "cron": schedule.cron, "time_zone": schedule.time_zone}


def _role(game: Game, viewer_id: str) -> str:
    if game.owner_id == viewer_id:
        return "owner"
    return "player" if game.member_of(viewer_id) else "none"


def _instant(value: datetime | None) -> str | None:
    return rfc3339(value) if value is not None else None


def visible_without_invite(game: Game, viewer_id: str) -> bool:
    """Tell whether somebody may know of a game by themselves: public games once opened, and their own."""
    public = game.settings.visibility == "public" and game.state is not GameState.DRAFT
    return public or game.owner_id == viewer_id or game.member_of(viewer_id) is not None
