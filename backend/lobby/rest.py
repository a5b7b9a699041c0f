"""The lobby's calls under `/api/v1/user` (docs/ARCHITECTURE.md, 3.3)."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, AwareDatetime, Field

from backend.api.fields import Line
from backend.api.model import IdempotentCall, Player, StoredAnswer
from backend.lobby.enrollment import Enrollment
from backend.lobby.errors import SettingsInvalid
from backend.lobby.model import GameSettings, GameState, MissedTurnPolicy, Visibility
from backend.lobby.paths import ApplicationId, GameId, InviteId
from backend.lobby.ports import EngineVersions
from backend.lobby.service import Lobby
from backend.scheduler.model import Schedule, ScheduleKind
from kit.rest import Paging, Schema, dumps

ENGINE_OPTIONS_BYTES_MAX = 8192
_FIRST_INSTANT = datetime(2000, 1, 1, tzinfo=UTC)
_LAST_INSTANT = datetime(2200, 1, 1, tzinfo=UTC)


class CronSchedule(Schema):
    """At the ticks of a five-field cron line in a time zone."""

    kind: Literal["cron"]
    cron: str = Field(max_length=100)
    time_zone: str = Field("UTC", max_length=64)


class RollingSchedule(Schema):
    """A period after the turn before."""

    kind: Literal["rolling"]
    period_seconds: int = Field(ge=1, le=90 * 86_400)


def _small(options: dict[str, Any]) -> dict[str, Any]:
    try:
        size_bytes = len(dumps(options))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError("cannot be written as JSON in UTF-8") from error
    if size_bytes > ENGINE_OPTIONS_BYTES_MAX:
        raise ValueError(f"holds more than {ENGINE_OPTIONS_BYTES_MAX} bytes")
    return options


def _imaginable(instant: datetime) -> datetime:
    # Dates at the ends of the calendar leave it when they are written in UTC.
    if not _FIRST_INSTANT <= instant <= _LAST_INSTANT:
        raise ValueError(f"lies between the years {_FIRST_INSTANT.year} and {_LAST_INSTANT.year}")
    return instant


class NewGame(Schema):
    """Settings of a game and the owner's race; all but `name` and `race_name` have defaults."""

    name: Annotated[Line, Field(min_length=1, max_length=60)]
    race_name: str = Field(max_length=100)
    visibility: Visibility = Visibility.PUBLIC
    min_players: int = Field(2, ge=1, le=100)
    max_players: int | None = Field(None, ge=1, le=100, description="by default 8, or min_players if more")
    start_gap_hours: int = Field(0, ge=0, le=24 * 30)
    start_gap_players: int = Field(0, ge=0, le=100)
    enrollment_ends_at: Annotated[AwareDatetime, AfterValidator(_imaginable)] | None = None
    schedule: CronSchedule | RollingSchedule = Field(
        RollingSchedule(kind="rolling", period_seconds=86_400), discriminator="kind"
    )
    early_turn: bool = True
    missed_turn_policy: MissedTurnPolicy = MissedTurnPolicy.IDLE
    first_turn_allowance_hours: int = Field(0, ge=0, le=24 * 30)
    engine_version: str | None = Field(None, max_length=50, description="by default the newest enabled one")
    engine_options: Annotated[dict[str, Any], AfterValidator(_small)] = Field(default_factory=dict)
    bots: int = Field(0, ge=0, le=99)

    def settings(self, default_version: str | None) -> GameSettings:
        """Return the settings as the lobby keeps them. Raises SettingsInvalid."""
        version = self.engine_version or default_version
        if version is None:
            raise SettingsInvalid("no engine version is enabled here", field="engine_version")
        name = " ".join(self.name.split())
        if not name or not name.isprintable():
            raise SettingsInvalid("the name has to be readable", field="name")
        return GameSettings(
            name=name,
            visibility=self.visibility,
            min_players=self.min_players,
            max_players=max(8, self.min_players) if self.max_players is None else self.max_players,
            start_gap_hours=self.start_gap_hours,
            start_gap_players=self.start_gap_players,
            enrollment_ends_at=self.enrollment_ends_at,
            schedule=self._schedule(),
            early_turn=self.early_turn,
            missed_turn_policy=self.missed_turn_policy,
            first_turn_allowance_hours=self.first_turn_allowance_hours,
            engine_version=version,
            engine_options=self.engine_options,
            bots=self.bots,
        )

    def _schedule(self) -> Schedule:
        if isinstance(self.schedule, CronSchedule):
            return Schedule(ScheduleKind.CRON, " ".join(self.schedule.cron.split()), self.schedule.time_zone)
        return Schedule(ScheduleKind.ROLLING, period=timedelta(seconds=self.schedule.period_seconds))


class RaceChoice(Schema):
    """Under which name somebody wants to play."""

    race_name: str = Field(max_length=100)


class Invitation(Schema):
    """Whom to invite."""

    email: str = Field(min_length=3, max_length=254)


class Named(Schema):
    """A person as others see them."""

    user_id: str
    display_name: str


class PlayerView(Schema):
    """One seat; `user_id` is null where the computer plays."""

    user_id: str | None
    player_id: str
    display_name: str
    race_name: str
    status: str
    final: bool


class MyApplication(Schema):
    """The viewer's latest application."""

    application_id: str
    status: str
    race_name: str


class Me(Schema):
    """What the game means to the viewer; `role` is owner, player or none."""

    role: str
    race_name: str | None
    application: MyApplication | None
    final: bool


class RuntimeView(Schema):
    """How the engine does."""

    status: str
    detail: str


class GameView(Schema):
    """A game as the viewer sees it."""

    game_id: str
    name: str
    visibility: Visibility
    state: GameState
    state_reason: str
    owner: Named
    min_players: int
    max_players: int
    start_gap_hours: int
    start_gap_players: int
    enrollment_ends_at: datetime | None
    gap_ends_at: datetime | None
    schedule: CronSchedule | RollingSchedule
    early_turn: bool
    missed_turn_policy: MissedTurnPolicy
    first_turn_allowance_hours: int
    engine_version: str
    engine_options: dict[str, Any]
    bots: int
    current_turn: int | None
    next_turn_at: datetime | None
    runtime: RuntimeView
    players: list[PlayerView]
    me: Me
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class ApplicationView(Schema):
    """An application as owner and applicant see it."""

    application_id: str
    game_id: str
    user: Named
    race_name: str
    status: str
    created_at: datetime


class InviteView(Schema):
    """An invite as inviter and invitee see it."""

    invite_id: str
    game_id: str
    game_name: str
    inviter: Named
    status: str
    created_at: datetime


class Left(Schema):
    """A seat was given back."""

    game_id: str
    left: bool


class GamePage(Schema):
    """A page of games."""

    items: list[GameView]
    page: int
    page_size: int
    total: int


class ApplicationPage(Schema):
    """A page of applications."""

    items: list[ApplicationView]
    page: int
    page_size: int
    total: int


class InvitePage(Schema):
    """A page of invites."""

    items: list[InviteView]
    page: int
    page_size: int
    total: int


def _answer(answer: StoredAnswer) -> JSONResponse:
    return JSONResponse(answer.body, status_code=answer.status)


def _page(paging: Paging, rows: tuple[list[dict[str, Any]], int]) -> JSONResponse:
    return JSONResponse(paging.of(*rows).model_dump(mode="json"))


def lobby_router(
    lobby: Lobby,
    enrollment: Enrollment,
    versions: EngineVersions,
    current_player: Callable[[Request], Awaitable[Player]],
    idempotent_call: Callable[[Request], Awaitable[IdempotentCall | None]],
) -> APIRouter:
    """Return the lobby's routes, without the family's prefix."""
    router = APIRouter(tags=["lobby"])
    current = Annotated[Player, Depends(current_player)]
    repeat = Annotated[IdempotentCall | None, Depends(idempotent_call)]
    wanted = Annotated[Paging, Depends(Paging)]

    @router.get("/games", response_model=GamePage)
    async def list_games(
        me: current, paging: wanted, mine: bool = False, state: GameState | None = None
    ) -> JSONResponse:
        rows = await lobby.list(
            me.user_id, mine=mine, state=state, limit=paging.page_size, offset=paging.offset
        )
        return _page(paging, rows)

    @router.post("/games", response_model=GameView, status_code=201)
    async def create_game(me: current, body: NewGame, call: repeat) -> JSONResponse:
        chosen = body.settings(versions.default_version())
        return _answer(await lobby.create(me.user_id, chosen, body.race_name, call))

    @router.get("/games/{game_id}", response_model=GameView)
    async def get_game(me: current, game_id: GameId) -> JSONResponse:
        return JSONResponse(await lobby.get(me.user_id, game_id))

    acts = {
        "open": lobby.open,
        "start": lobby.start,
        "pause": lobby.pause,
        "resume": lobby.resume,
        "cancel": lobby.cancel,
    }
    for name, act in acts.items():
        router.post(f"/games/{{game_id}}/{name}", response_model=GameView, name=f"{name}_game")(
            _owner_act(act, current, repeat)
        )

    @router.post("/games/{game_id}/applications", response_model=ApplicationView, status_code=201)
    async def submit_application(
        me: current, game_id: GameId, body: RaceChoice, call: repeat
    ) -> JSONResponse:
        return _answer(await enrollment.apply(me.user_id, game_id, body.race_name, call))

    @router.get("/games/{game_id}/applications", response_model=ApplicationPage)
    async def list_applications(me: current, game_id: GameId, paging: wanted) -> JSONResponse:
        rows = await enrollment.list_applications(me.user_id, game_id, paging.page_size, paging.offset)
        return _page(paging, rows)

    @router.post("/games/{game_id}/applications/{application_id}/approve", response_model=ApplicationView)
    async def approve_application(
        me: current, game_id: GameId, application_id: ApplicationId, call: repeat
    ) -> JSONResponse:
        return _answer(await enrollment.approve(me.user_id, game_id, application_id, call))

    @router.post("/games/{game_id}/applications/{application_id}/reject", response_model=ApplicationView)
    async def reject_application(
        me: current, game_id: GameId, application_id: ApplicationId, call: repeat
    ) -> JSONResponse:
        return _answer(await enrollment.reject(me.user_id, game_id, application_id, call))

    @router.post("/games/{game_id}/invites", response_model=InviteView, status_code=201)
    async def create_invite(me: current, game_id: GameId, body: Invitation, call: repeat) -> JSONResponse:
        return _answer(await enrollment.invite(me.user_id, game_id, body.email, call))

    @router.get("/invites", response_model=InvitePage)
    async def list_invites(me: current, paging: wanted) -> JSONResponse:
        rows = await enrollment.list_invites(me.user_id, paging.page_size, paging.offset)
        return _page(paging, rows)

    @router.post("/invites/{invite_id}/accept", response_model=InviteView)
    async def accept_invite(me: current, invite_id: InviteId, body: RaceChoice, call: repeat) -> JSONResponse:
        return _answer(await enrollment.accept(me.user_id, invite_id, body.race_name, call))

    @router.post("/invites/{invite_id}/decline", response_model=InviteView)
    async def decline_invite(me: current, invite_id: InviteId, call: repeat) -> JSONResponse:
        return _answer(await enrollment.decline(me.user_id, invite_id, call))

    @router.post("/games/{game_id}/leave", response_model=Left)
    async def leave_game(me: current, game_id: GameId, call: repeat) -> JSONResponse:
        return _answer(await enrollment.leave(me.user_id, game_id, call))

    return router


def _owner_act(
    act: Callable[[str, str, IdempotentCall | None], Awaitable[StoredAnswer]], me_type: Any, call_type: Any
) -> Callable[..., Awaitable[JSONResponse]]:
    async def endpoint(me: me_type, game_id: GameId, call: call_type) -> JSONResponse:
        return _answer(await act(me.user_id, game_id, call))

    return endpoint
