"""The lobby's rows. Every method works on the connection it is given; driver errors that mean a refusal become one."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from backend.lobby.errors import AlreadyApplied, AlreadyInvited, AlreadyMember, RaceNameTaken
from backend.lobby.model import (
    Application,
    ApplicationStatus,
    Game,
    GameSettings,
    GameState,
    Invite,
    InviteStatus,
    Member,
    MemberStatus,
    MissedTurnPolicy,
    Visibility,
)
from backend.scheduler.storage import schedule_of
from kit.postgres import Connection
from kit.sql import load_queries


class LobbyStorage:
    """Games, seats, applications and invites."""

    def __init__(self) -> None:
        self._queries = load_queries(__package__)

    # Games and seats

    async def list_games(self, connection: Connection) -> list[Game]:
        """Return every game, for the cache."""
        members: dict[str, list[Member]] = {}
        for row in await connection.fetch(self._queries["list_members"]):
            members.setdefault(row["game_id"], []).append(_member(row))
        rows = await connection.fetch(self._queries["list_games"])
        return [_game(row, members.get(row["game_id"], [])) for row in rows]

    async def find(self, connection: Connection, game_id: str) -> Game | None:
        """Return a game, or None."""
        return await self._one(connection, "get_game", game_id)

    async def lock(self, connection: Connection, game_id: str) -> Game | None:
        """Return a game that nobody else can change until the transaction ends, or None."""
        return await self._one(connection, "lock_game", game_id)

    async def count_unfinished(self, connection: Connection, owner_id: str) -> int:
        """Count an owner's games that are not over; others that make one for them wait until we have committed."""
        await connection.execute(self._queries["serialise_owner"], owner_id)
        return int(await connection.fetchval(self._queries["count_unfinished"], owner_id))

    async def count_invites_to(
        self, connection: Connection, inviter_id: str, invitee_id: str | None, email: str | None
    ) -> int:
        """Count what somebody sent to one person within a day; others of theirs wait until we have committed."""
        await connection.execute(self._queries["serialise_owner"], inviter_id)
        return int(
            await connection.fetchval(self._queries["count_invites_to"], inviter_id, invitee_id, email)
        )

    async def insert(
        self,
        connection: Connection,
        game_id: str,
        owner_id: str,
        chosen: GameSettings,
        state: GameState,
        seed: str,
    ) -> None:
        """Insert a game without members."""
        schedule = chosen.schedule
        await connection.execute(
            self._queries["insert_game"],
            game_id,
            owner_id,
            chosen.name,
            chosen.visibility,
            state,
            chosen.min_players,
            chosen.max_players,
            chosen.start_gap_hours,
            chosen.start_gap_players,
            chosen.enrollment_ends_at,
            schedule.kind,
            schedule.cron,
            schedule.time_zone,
            schedule.period,
            chosen.early_turn,
            chosen.missed_turn_policy,
            chosen.first_turn_allowance_hours,
            chosen.engine_version,
            chosen.engine_options,
            chosen.bots,
            seed,
        )

    async def set_state(self, connection: Connection, game_id: str, state: GameState, reason: str) -> None:
        """Move a locked game to another state."""
        await connection.execute(self._queries["set_state"], game_id, state, reason)

    async def set_engine_version(self, connection: Connection, game_id: str, semver: str) -> None:
        """Have a locked game run on another engine version."""
        await connection.execute(self._queries["set_engine_version"], game_id, semver)

    async def begin_gap(self, connection: Connection, game_id: str, length: timedelta) -> None:
        """Let a full game wait for latecomers."""
        await connection.execute(self._queries["begin_gap"], game_id, length)

    async def seat(
        self,
        connection: Connection,
        game_id: str,
        player_id: str,
        user_id: str | None,
        race_name: str,
        computer_level: int | None = None,
    ) -> None:
        """Give a seat of a locked game. Raises RaceNameTaken and AlreadyMember."""
        status = MemberStatus.ACTIVE if user_id is not None else MemberStatus.COMPUTER
        try:
            await connection.execute(
                self._queries["insert_member"],
                game_id,
                player_id,
                user_id,
                race_name,
                computer_level,
                status,
            )
        except asyncpg.UniqueViolationError as error:
            if error.constraint_name == "race_name_is_free":
                raise RaceNameTaken(race_name=race_name) from error
            raise AlreadyMember from error
        await connection.execute(self._queries["touch_game"], game_id)

    async def unseat(self, connection: Connection, game_id: str, player_id: str) -> None:
        """Take a seat of a locked game back."""
        await connection.execute(self._queries["delete_member"], game_id, player_id)
        await connection.execute(self._queries["touch_game"], game_id)

    async def set_statuses(
        self, connection: Connection, game_id: str, statuses: Mapping[str, MemberStatus]
    ) -> None:
        """Note what the engine says of each player."""
        await connection.execute(
            self._queries["set_member_status"], game_id, list(statuses), list(statuses.values())
        )
        await connection.execute(self._queries["touch_game"], game_id)

    async def list_enrollment_over(self, connection: Connection) -> Sequence[tuple[str, datetime]]:
        """Return games whose enrolment is over by the database's clock, each with that clock's now."""
        rows = await connection.fetch(self._queries["list_enrollment_over"])
        return [(row["game_id"], row["now"]) for row in rows]

    async def list_in_state(self, connection: Connection, state: GameState) -> list[str]:
        """Return the ids of the games in a state."""
        return [row["game_id"] for row in await connection.fetch(self._queries["list_in_state"], state)]

    # Applications

    async def insert_application(
        self, connection: Connection, application_id: str, game_id: str, user_id: str, race_name: str
    ) -> Application:
        """Insert a waiting application. Raises AlreadyApplied."""
        try:
            row = await connection.fetchrow(
                self._queries["insert_application"], application_id, game_id, user_id, race_name
            )
        except asyncpg.UniqueViolationError as error:
            raise AlreadyApplied from error
        return _application(row)

    async def count_applications(self, connection: Connection, game_id: str, user_id: str) -> int:
        """Return how often a person has applied to a game, whatever came of it."""
        count: int = await connection.fetchval(self._queries["count_applications"], game_id, user_id)
        return count

    async def lock_application(
        self, connection: Connection, game_id: str, application_id: str
    ) -> Application | None:
        """Return an application of that game, held until the transaction ends."""
        row = await connection.fetchrow(self._queries["lock_application"], application_id, game_id)
        return _application(row) if row else None

    async def decide_application(
        self, connection: Connection, application_id: str, status: ApplicationStatus
    ) -> Application:
        """End an application."""
        return _application(
            await connection.fetchrow(self._queries["decide_application"], application_id, status)
        )

    async def find_open_application(
        self, connection: Connection, game_id: str, user_id: str
    ) -> Application | None:
        """Return the waiting application of a person."""
        row = await connection.fetchrow(self._queries["find_open_application"], game_id, user_id)
        return _application(row) if row else None

    async def withdraw_applications(self, connection: Connection, game_id: str, user_id: str) -> None:
        """End every live application of a person to a game."""
        await connection.execute(self._queries["withdraw_applications"], game_id, user_id)

    async def withdraw_pending(self, connection: Connection, user_id: str) -> list[str]:
        """End a person's waiting applications to any game; return the games."""
        return [row["game_id"] for row in await connection.fetch(self._queries["withdraw_pending"], user_id)]

    async def last_applications(
        self, connection: Connection, game_ids: Sequence[str], user_id: str
    ) -> Mapping[str, Application]:
        """Return a person's latest application to each of these games."""
        rows = await connection.fetch(self._queries["last_applications"], list(game_ids), user_id)
        return {row["game_id"]: _application(row) for row in rows}

    async def list_applications(
        self, connection: Connection, game_id: str, limit: int, offset: int
    ) -> tuple[list[Application], int]:
        """Return a page of a game's applications, waiting ones first, and how many there are."""
        rows = await connection.fetch(self._queries["list_applications"], game_id, limit, offset)
        return [_application(row) for row in rows], rows[0]["total"] if rows else 0

    # Invites

    async def insert_invite(
        self,
        connection: Connection,
        invite_id: str,
        game_id: str,
        inviter_id: str,
        invitee_id: str | None,
        invitee_email: str | None,
    ) -> Invite:
        """Insert an open invite. Raises AlreadyInvited."""
        try:
            row = await connection.fetchrow(
                self._queries["insert_invite"], invite_id, game_id, inviter_id, invitee_id, invitee_email
            )
        except asyncpg.UniqueViolationError as error:
            raise AlreadyInvited from error
        return _invite(row)

    async def find_invite(self, connection: Connection, invite_id: str) -> Invite | None:
        """Return an invite."""
        row = await connection.fetchrow(self._queries["find_invite"], invite_id)
        return _invite(row) if row else None

    async def lock_invite(self, connection: Connection, invite_id: str) -> Invite | None:
        """Return an invite, held until the transaction ends."""
        row = await connection.fetchrow(self._queries["lock_invite"], invite_id)
        return _invite(row) if row else None

    async def decide_invite(
        self, connection: Connection, invite_id: str, status: InviteStatus, user_id: str
    ) -> Invite:
        """Answer an invite; it belongs to that person from now on."""
        return _invite(await connection.fetchrow(self._queries["decide_invite"], invite_id, status, user_id))

    async def withdraw_invites(self, connection: Connection, inviter_id: str) -> list[Invite]:
        """Take the open invites of a person to any game away, as if they had never been; return them."""
        return [_invite(row) for row in await connection.fetch(self._queries["withdraw_invites"], inviter_id)]

    async def list_invites(
        self, connection: Connection, user_id: str, email: str, limit: int, offset: int
    ) -> tuple[list[Invite], int]:
        """Return a page of the invites to a person, open ones first, and how many there are."""
        rows = await connection.fetch(self._queries["list_invites"], user_id, email, limit, offset)
        return [_invite(row) for row in rows], rows[0]["total"] if rows else 0

    async def is_invited(self, connection: Connection, game_id: str, user_id: str, email: str) -> bool:
        """Tell whether an open invite lets a person see a game."""
        invited: bool = await connection.fetchval(self._queries["is_invited"], game_id, user_id, email)
        return invited

    async def _one(self, connection: Connection, query: str, game_id: str) -> Game | None:
        row = await connection.fetchrow(self._queries[query], game_id)
        if row is None:
            return None
        members = await connection.fetch(self._queries["members_of"], game_id)
        return _game(row, [_member(member) for member in members])


def _game(row: Any, members: Sequence[Member]) -> Game:
    return Game(
        game_id=row["game_id"],
        owner_id=row["owner_id"],
        settings=GameSettings(
            name=row["name"],
            visibility=Visibility(row["visibility"]),
            min_players=row["min_players"],
            max_players=row["max_players"],
            start_gap_hours=row["start_gap_hours"],
            start_gap_players=row["start_gap_players"],
            enrollment_ends_at=row["enrollment_ends_at"],
            schedule=schedule_of(row),
            early_turn=row["early_turn"],
            missed_turn_policy=MissedTurnPolicy(row["missed_turn_policy"]),
            first_turn_allowance_hours=row["first_turn_allowance_hours"],
            engine_version=row["engine_version"],
            engine_options=row["engine_options"],
            bots=row["bots"],
        ),
        state=GameState(row["state"]),
        state_reason=row["state_reason"],
        seed=row["seed"],
        gap_ends_at=row["gap_ends_at"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        members=tuple(members),
        version=row["revision"],
    )


def _member(row: Any) -> Member:
    return Member(
        row["player_id"],
        row["user_id"],
        row["race_name"],
        row["computer_level"],
        MemberStatus(row["status"]),
        row["seat"],
    )


def _application(row: Any) -> Application:
    return Application(
        row["application_id"],
        row["game_id"],
        row["user_id"],
        row["race_name"],
        ApplicationStatus(row["status"]),
        row["created_at"],
    )


def _invite(row: Any) -> Invite:
    return Invite(
        row["invite_id"],
        row["game_id"],
        row["inviter_id"],
        row["invitee_id"],
        row["invitee_email"],
        InviteStatus(row["status"]),
        row["created_at"],
    )
