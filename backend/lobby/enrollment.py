"""How people come to sit in a game: applications, invites, leaving."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from backend.api.model import IdempotentCall, StoredAnswer
from backend.cache import TableCache
from backend.leadership.ports import Transactions
from backend.lobby.errors import (
    AlreadyApplied,
    AlreadyMember,
    ApplicantNotActive,
    ApplicationDecided,
    ApplicationNotFound,
    GameFull,
    GameNotFound,
    InviteDecided,
    InviteNotFound,
    NotMember,
    NotOwner,
    OwnerNotActive,
    OwnerStays,
    RaceNameTaken,
    TooManyApplications,
    TooManyInvites,
    WrongState,
)
from backend.lobby.model import (
    Application,
    ApplicationStatus,
    Game,
    GameAct,
    GameState,
    Invite,
    InviteStatus,
    Visibility,
)
from backend.lobby.race_names import checked_race_name, race_key
from backend.lobby.service import Change, Changes, Lobby
from backend.lobby.storage import LobbyStorage
from backend.lobby.transitions import GameStates
from backend.lobby.views import GameViews
from backend.outbox.model import Intent
from backend.outbox.ports import Outbox
from backend.users.email import normalise_email
from backend.users.model import AccountStatus
from backend.users.ports import Users
from kit.ids import NewId
from kit.postgres import Connection


class Enrollment:
    """Use cases of seats. Each runs under the lock of the game's row, so the last seat is given once."""

    def __init__(
        self,
        transactions: Transactions,
        storage: LobbyStorage,
        games: TableCache[str, Game],
        states: GameStates,
        changes: Changes,
        views: GameViews,
        lobby: Lobby,
        users: Users,
        outbox: Outbox,
        new_id: NewId,
        invites_per_person_day: int,
        applications_per_game: int,
    ) -> None:
        self._transactions = transactions
        self._storage = storage
        self._games = games
        self._states = states
        self._changes = changes
        self._views = views
        self._lobby = lobby
        self._users = users
        self._outbox = outbox
        self._new_id = new_id
        self._invites_per_person_day = invites_per_person_day
        self._applications_per_game = applications_per_game

    # Applications

    async def apply(
        self, user_id: str, game_id: str, race_name: str, call: IdempotentCall | None
    ) -> StoredAnswer:
        """Ask for a seat; the owner is told by intent, of each person and game once.

        Raises GameNotFound, WrongState, GameFull, OwnerNotActive, AlreadyMember, AlreadyApplied, TooManyApplications,
        RaceNameInvalid, RaceNameTaken.
        """
        application_id = self._new_id()

        async def change(connection: Connection) -> Change:
            game = await self._enrolling(connection, user_id, game_id)
            if game.settings.visibility is Visibility.INVITE:
                raise WrongState("this game takes players by invite only", state=game.state)
            if not self._is_active(game.owner_id):
                raise OwnerNotActive
            name = self._free_name(game, race_name)
            if game.member_of(user_id):
                raise AlreadyMember
            if await self._storage.find_open_application(connection, game_id, user_id):
                raise AlreadyApplied
            if game.full:
                raise GameFull(max_players=game.seats_max)
            made = await self._storage.count_applications(connection, game_id, user_id)
            if made >= self._applications_per_game:
                raise TooManyApplications(most=self._applications_per_game)
            application = await self._storage.insert_application(
                connection, application_id, game_id, user_id, name
            )
            await self._outbox.add_intent(
                connection,
                Intent(
                    "lobby.application.submitted",
                    # Not by application: whoever is turned down and asks again fills no mailbox.
                    f"lobby.application.submitted:{game_id}:{user_id}",
                    {
                        "game_id": game_id,
                        "game_name": game.settings.name,
                        "applicant_name": self._users.get(user_id).display_name,
                    },
                    (game.owner_id,),
                ),
            )
            answer = StoredAnswer(201, self._views.application(application))
            return Change(game, answer, "application_submitted", also=(user_id,))

        answer, _ = await self._changes.run(call, change)
        return answer

    async def list_applications(
        self, owner_id: str, game_id: str, limit: int, offset: int
    ) -> tuple[list[dict[str, Any]], int]:
        """Return a page of applications, waiting ones first. Raises GameNotFound, NotOwner."""
        async with self._transactions.read() as connection:
            game = await self._lobby.visible(connection, owner_id, game_id)
            if game.owner_id != owner_id:
                raise NotOwner
            rows, total = await self._storage.list_applications(connection, game_id, limit, offset)
        return [self._views.application(row) for row in rows], total

    async def approve(
        self, owner_id: str, game_id: str, application_id: str, call: IdempotentCall | None
    ) -> StoredAnswer:
        """Give an applicant a seat and tell them by intent.

        Raises GameNotFound, NotOwner, ApplicationNotFound, ApplicationDecided, WrongState, GameFull, ApplicantNotActive,
        RaceNameTaken.
        """

        async def change(connection: Connection) -> Change:
            game, application = await self._undecided(connection, owner_id, game_id, application_id)
            if not game.state.enrolls:
                raise WrongState(f"a game that is {game.state} takes no players", state=game.state)
            if game.full:
                raise GameFull(max_players=game.seats_max)
            if not self._is_active(application.user_id):
                raise ApplicantNotActive
            game, state_changed = await self._seat(
                connection, game, application.user_id, application.race_name
            )
            decided = await self._storage.decide_application(
                connection, application_id, ApplicationStatus.APPROVED
            )
            await self._outbox.add_intent(
                connection,
                Intent(
                    "lobby.application.approved",
                    f"lobby.application.approved:{application_id}",
                    {
                        "game_id": game_id,
                        "game_name": game.settings.name,
                        "race_name": decided.race_name,
                    },
                    (decided.user_id,),
                ),
            )
            answer = StoredAnswer(200, self._views.application(decided))
            return Change(game, answer, "application_approved", state_changed, (decided.user_id,))

        answer, _ = await self._changes.run(call, change)
        return answer

    async def reject(
        self, owner_id: str, game_id: str, application_id: str, call: IdempotentCall | None
    ) -> StoredAnswer:
        """Turn an applicant down. Raises GameNotFound, NotOwner, ApplicationNotFound, ApplicationDecided."""

        async def change(connection: Connection) -> Change:
            game, application = await self._undecided(connection, owner_id, game_id, application_id)
            decided = await self._storage.decide_application(
                connection, application_id, ApplicationStatus.REJECTED
            )
            answer = StoredAnswer(200, self._views.application(decided))
            return Change(game, answer, "application_rejected", also=(application.user_id,))

        answer, _ = await self._changes.run(call, change)
        return answer

    # Invites

    async def invite(
        self, owner_id: str, game_id: str, email: str, call: IdempotentCall | None
    ) -> StoredAnswer:
        """Offer a seat to whoever has an address, now or later.

        The answer is the same whether the address has an account or not, so that it tells nothing. Raises GameNotFound,
        NotOwner, WrongState, GameFull, AlreadyInvited, TooManyInvites, AddressMalformed.
        """
        invite_id = self._new_id()
        address = normalise_email(email)
        invitee = self._users.find_by_email(address)

        async def change(connection: Connection) -> Change:
            game = await self._enrolling(connection, owner_id, game_id)
            if game.owner_id != owner_id:
                raise NotOwner
            if game.full:
                raise GameFull(max_players=game.seats_max)
            invitee_id, invitee_email = (invitee.user_id, None) if invitee else (None, address)
            # Each is a mail: game after game could be made and given up to fill somebody's mailbox.
            sent = await self._storage.count_invites_to(connection, owner_id, invitee_id, invitee_email)
            if sent >= self._invites_per_person_day:
                raise TooManyInvites
            invite = await self._storage.insert_invite(
                connection, invite_id, game_id, owner_id, invitee_id, invitee_email
            )
            if invitee is not None and game.member_of(invitee.user_id) is None:
                await self._outbox.add_intent(
                    connection,
                    Intent(
                        "lobby.invite.created",
                        f"lobby.invite.created:{invite_id}",
                        {
                            "game_id": game_id,
                            "game_name": game.settings.name,
                            "invite_id": invite_id,
                            "inviter_name": self._users.get(owner_id).display_name,
                        },
                        (invitee.user_id,),
                    ),
                )
            answer = StoredAnswer(201, self._views.invite(invite, game))
            also = (invitee.user_id,) if invitee else ()
            return Change(game, answer, "invite_created", also=also)

        answer, _ = await self._changes.run(call, change)
        return answer

    async def list_invites(self, user_id: str, limit: int, offset: int) -> tuple[list[dict[str, Any]], int]:
        """Return a page of the invites to a person, open ones first."""
        email = self._users.get(user_id).email
        async with self._transactions.read() as connection:
            rows, total = await self._storage.list_invites(connection, user_id, email, limit, offset)
            items = []
            for row in rows:
                game = await self._storage.find(connection, row.game_id)
                assert game is not None, "an invite belongs to a game"
                items.append(self._views.invite(row, game))
        return items, total

    async def accept(
        self, user_id: str, invite_id: str, race_name: str, call: IdempotentCall | None
    ) -> StoredAnswer:
        """Take the seat offered.

        Raises InviteNotFound, InviteDecided, WrongState, GameFull, OwnerNotActive, AlreadyMember, RaceNameInvalid,
        RaceNameTaken.
        """

        async def change(connection: Connection) -> Change:
            game, invite = await self._unanswered(connection, user_id, invite_id)
            if not game.state.enrolls:
                raise WrongState(f"a game that is {game.state} takes no players", state=game.state)
            if not self._is_active(invite.inviter_id):
                raise OwnerNotActive
            if game.member_of(user_id):
                raise AlreadyMember
            name = self._free_name(game, race_name)
            if game.full:
                raise GameFull(max_players=game.seats_max)
            await self._storage.withdraw_applications(connection, game.game_id, user_id)
            game, state_changed = await self._seat(connection, game, user_id, name)
            decided = await self._storage.decide_invite(connection, invite_id, InviteStatus.ACCEPTED, user_id)
            answer = StoredAnswer(200, self._views.invite(decided, game))
            return Change(game, answer, "invite_accepted", state_changed, (invite.inviter_id,))

        answer, _ = await self._changes.run(call, change)
        return answer

    async def decline(self, user_id: str, invite_id: str, call: IdempotentCall | None) -> StoredAnswer:
        """Refuse the seat offered. Raises InviteNotFound, InviteDecided."""

        async def change(connection: Connection) -> Change:
            game, invite = await self._unanswered(connection, user_id, invite_id)
            decided = await self._storage.decide_invite(connection, invite_id, InviteStatus.DECLINED, user_id)
            answer = StoredAnswer(200, self._views.invite(decided, game))
            return Change(game, answer, "invite_declined", also=(invite.inviter_id, user_id))

        answer, _ = await self._changes.run(call, change)
        return answer

    # Leaving

    async def leave(self, user_id: str, game_id: str, call: IdempotentCall | None) -> StoredAnswer:
        """Give one's seat back before the start. Raises GameNotFound, NotMember, OwnerStays, WrongState."""

        async def change(connection: Connection) -> Change:
            await self._lobby.visible(connection, user_id, game_id)
            game = await self._states.lock(connection, game_id)
            member = game.member_of(user_id)
            if member is None:
                raise NotMember
            if game.owner_id == user_id:
                raise OwnerStays
            if not game.state.enrolls:
                raise WrongState(f"nobody leaves a game that is {game.state}", state=game.state)
            await self._storage.unseat(connection, game_id, member.player_id)
            await self._storage.withdraw_applications(connection, game_id, user_id)
            game = await self._states.reread(connection, game_id)
            answer = StoredAnswer(200, {"game_id": game_id, "left": True})
            return Change(game, answer, "member_left", also=(user_id,))

        answer, _ = await self._changes.run(call, change)
        return answer

    async def withdraw_all(self, connection: Connection, user_id: str) -> Callable[[], None]:
        """Take back what a person still waits for, inside a transaction that blocks them: applications, invites by them.

        Returns what tells the people concerned; to be called once the transaction has committed. Seats taken stay.
        """
        applied = await self._storage.withdraw_pending(connection, user_id)
        invited = await self._storage.withdraw_invites(connection, user_id)

        def announce() -> None:
            for game_id in applied:
                self._tell(game_id, "application_withdrawn", user_id)
            for invite in invited:
                invitee = invite.invitee_id
                if invitee is None and invite.invitee_email is not None:
                    account = self._users.find_by_email(invite.invitee_email)
                    invitee = account.user_id if account is not None else None
                self._tell(invite.game_id, "invite_withdrawn", invitee)

        return announce

    # Parts

    def _tell(self, game_id: str, reason: str, concerned: str | None) -> None:
        game = self._games.find(game_id)
        if game is not None:
            self._states.committed(game, reason, also=(concerned,) if concerned else ())

    def _is_active(self, user_id: str) -> bool:
        account = self._users.find(user_id)
        return account is not None and account.status is AccountStatus.ACTIVE

    async def _enrolling(self, connection: Connection, user_id: str, game_id: str) -> Game:
        await self._lobby.visible(connection, user_id, game_id)
        game = await self._states.lock(connection, game_id)
        if not game.state.enrolls:
            raise WrongState(f"a game that is {game.state} takes no players", state=game.state)
        return game

    async def _undecided(
        self, connection: Connection, owner_id: str, game_id: str, application_id: str
    ) -> tuple[Game, Application]:
        await self._lobby.visible(connection, owner_id, game_id)
        game = await self._states.lock(connection, game_id)
        if game.owner_id != owner_id:
            raise NotOwner
        application = await self._storage.lock_application(connection, game_id, application_id)
        if application is None:
            raise ApplicationNotFound
        if application.status is not ApplicationStatus.PENDING:
            raise ApplicationDecided(status=application.status)
        return game, application

    async def _unanswered(self, connection: Connection, user_id: str, invite_id: str) -> tuple[Game, Invite]:
        email = self._users.get(user_id).email
        found = await self._storage.find_invite(connection, invite_id)
        if found is None:
            raise InviteNotFound
        # The game's row first, as everywhere: two locks taken in two orders would be a deadlock in waiting.
        try:
            game = await self._states.lock(connection, found.game_id)
        except GameNotFound as error:
            raise InviteNotFound from error
        invite = await self._storage.lock_invite(connection, invite_id)
        if invite is None or (invite.invitee_id != user_id and invite.invitee_email != email):
            raise InviteNotFound
        if invite.status is not InviteStatus.OPEN:
            raise InviteDecided(status=invite.status)
        return game, invite

    def _free_name(self, game: Game, race_name: str) -> str:
        name = checked_race_name(race_name, game.settings.name)
        if any(race_key(member.race_name) == race_key(name) for member in game.members):
            raise RaceNameTaken(race_name=name)
        return name

    async def _seat(
        self, connection: Connection, game: Game, user_id: str, race_name: str
    ) -> tuple[Game, bool]:
        """Seat a person; close enrolment, or begin the start gap, with the last regular seat."""
        await self._storage.seat(connection, game.game_id, user_id, user_id, race_name)
        seated = await self._states.reread(connection, game.game_id)
        if seated.gap_begins:
            gap = timedelta(hours=seated.settings.start_gap_hours)
            await self._storage.begin_gap(connection, game.game_id, gap)
            return await self._states.reread(connection, game.game_id), False
        if seated.full and seated.state is GameState.ENROLLMENT_OPEN:
            return await self._states.move(connection, seated, GameAct.CLOSE_ENROLLMENT, "full"), True
        return seated, False
