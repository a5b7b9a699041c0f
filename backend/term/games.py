"""The rooms of the game, built: engine versions, lobby, runtime, scheduler, play. Called by `backend.term.active`."""

from contextlib import AsyncExitStack

import aiohttp

from backend.cache import TableCache
from backend.engine_versions.model import EngineVersion
from backend.engine_versions.rest import versions_router
from backend.engine_versions.service import EngineVersions
from backend.engine_versions.storage import VersionStorage
from backend.lobby.enrollment import Enrollment
from backend.lobby.model import Game
from backend.lobby.rest import lobby_router
from backend.lobby.service import Changes, Lobby
from backend.lobby.storage import LobbyStorage
from backend.lobby.transitions import GameStates
from backend.lobby.views import GameViews
from backend.lobby.worker import EnrollmentWorker
from backend.play.admin_rest import game_control_router
from backend.play.archive import Archive
from backend.play.checking import OrderChecks
from backend.play.control import GameControl
from backend.play.engine_state import EngineStates
from backend.play.generation import RetryPolicy, TurnGenerator
from backend.play.notices import MoveNotices
from backend.play.orders import Orders
from backend.play.patching import GamePatcher
from backend.play.rest import play_router
from backend.play.starting import GameStarter
from backend.play.storage import PlayStorage
from backend.play.worker import GameStartWorker, StartQueue
from backend.runtime.adapters import open_containers
from backend.runtime.alerts import AlertedGame, Alerts
from backend.runtime.boot import Boots
from backend.runtime.engine_client import EngineClients
from backend.runtime.locks import GameLocks
from backend.runtime.mending import Mender
from backend.runtime.model import RuntimeRecord
from backend.runtime.operations import OperationLog
from backend.runtime.ports import Containers
from backend.runtime.service import Engines
from backend.runtime.sightings import Sightings
from backend.runtime.storage import RuntimeStorage
from backend.runtime.worker import Reconciler
from backend.scheduler.service import GameClocks
from backend.scheduler.storage import ClockStorage
from backend.scheduler.worker import TurnScheduler
from backend.settings import BackendSettings
from backend.telemetry import GameMetrics
from backend.term.foundations import Foundations, Rooms, Routers
from kit.postgres import Connection
from kit.tasks import Worker


async def build(
    stack: AsyncExitStack,
    settings: BackendSettings,
    base: Foundations,
    *,
    containers: Containers | None = None,
) -> Rooms:
    """Build the rooms of the game on the foundations of an active backend; Postgres is migrated already.

    What they open is closed by `stack`. `containers` replaces the adapter that the settings choose, for tests.
    """
    metrics = GameMetrics(base.telemetry)

    # Caches
    games: TableCache[str, Game] = TableCache("lobby", lambda game: game.game_id)
    records: TableCache[str, RuntimeRecord] = TableCache("runtime", lambda record: record.game_id)
    known_versions: TableCache[str, EngineVersion] = TableCache("engineversion", lambda row: row.semver)

    # Storages
    version_storage, lobby_storage, runtime_storage = VersionStorage(), LobbyStorage(), RuntimeStorage()
    play_storage, clock_storage = PlayStorage(), ClockStorage(base.new_id)

    # Engines
    runtime = settings.runtime
    session = await stack.enter_async_context(
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=128), cookie_jar=aiohttp.DummyCookieJar())
    )
    clients = EngineClients(session, runtime.turn_timeout)
    adapter = containers or open_containers(settings)
    stack.push_async_callback(adapter.close)
    versions = EngineVersions(base.transactions, version_storage, known_versions)
    operations = OperationLog(base.transactions, runtime_storage, metrics, base.new_id)

    async def alerted(connection: Connection, game_id: str) -> AlertedGame:
        # Of the table, not of the cache: whose commit went unanswered is not in the cache yet.
        game = await lobby_storage.find(connection, game_id)
        assert game is not None, "whatever has an engine has a row"
        return AlertedGame(game_id, game.settings.name, game.owner_id, game.settings.engine_version)

    alerts = Alerts(base.outbox, base.clock, alerted)
    sightings, engine_locks = Sightings(), GameLocks()
    engines = Engines(
        base.transactions,
        runtime_storage,
        records,
        operations,
        adapter,
        Boots(
            adapter,
            clients,
            versions,
            base.clock,
            boot_timeout=runtime.boot_timeout,
            starts_at_once=runtime.starts_at_once,
        ),
        sightings,
        engine_locks,
        alerts,
        base.clock,
    )
    mender = Mender(
        base.transactions,
        runtime_storage,
        records,
        operations,
        adapter,
        clients,
        engines,
        sightings,
        engine_locks,
        base.clock,
    )

    # Lobby
    clocks = GameClocks(clock_storage)
    queue = StartQueue()
    states = GameStates(lobby_storage, games, base.push_ring)
    changes = Changes(base.transactions, base.idempotency_keys, states)
    views = GameViews(lobby_storage, base.users, clocks, engines, play_storage)
    lobby = Lobby(
        base.transactions,
        lobby_storage,
        games,
        states,
        changes,
        views,
        clocks,
        versions,
        base.users,
        queue,
        base.new_id,
        settings.lobby.games_per_owner,
        settings.lobby.turn_period_min,
    )
    enrollment = Enrollment(
        base.transactions,
        lobby_storage,
        games,
        states,
        changes,
        views,
        lobby,
        base.users,
        base.outbox,
        base.new_id,
        settings.lobby.invites_per_person_day,
        settings.lobby.applications_per_game,
    )

    # Play
    pace = settings.scheduler
    engine_states = EngineStates(base.transactions, play_storage, engines, clients)
    notices = MoveNotices(games, states, metrics)
    generator = TurnGenerator(
        base.transactions,
        play_storage,
        lobby_storage,
        states,
        lobby,
        clocks,
        engines,
        engine_states,
        base.outbox,
        alerts,
        notices,
        base.faults,
        RetryPolicy(failures_max=pace.turn_failures_max, first_wait=pace.turn_retry_wait),
        metrics,
        base.clock,
        base.new_id,
        base.telemetry.tracer,
    )
    starter = GameStarter(
        base.transactions,
        play_storage,
        lobby_storage,
        states,
        clocks,
        versions,
        engines,
        engine_states,
        base.outbox,
        alerts,
        base.new_id,
        base.telemetry.tracer,
    )
    orders = Orders(
        base.transactions,
        play_storage,
        lobby,
        states,
        clocks,
        OrderChecks(engine_states),
        base.idempotency_keys,
    )
    archive = Archive(base.transactions, play_storage, lobby)
    patcher = GamePatcher(
        base.transactions,
        play_storage,
        lobby_storage,
        states,
        versions,
        engines,
        clients,
        operations,
        engine_states,
    )
    control = GameControl(
        base.transactions, games, states, lobby, views, clocks, engines, operations, generator, patcher
    )

    # What must be known before anybody is served
    async def load_lobby() -> None:
        async with base.transactions.read() as connection:
            await known_versions.load(lambda: version_storage.list(connection))
            await games.load(lambda: lobby_storage.list_games(connection))

    async def load_records() -> None:
        async with base.transactions.read() as connection:
            await records.load(lambda: runtime_storage.list_records(connection))

    await load_lobby()
    await versions.bootstrap(settings.engine.bootstrap_version, settings.engine.bootstrap_image)
    await mender.take_over()
    await load_records()
    metrics.watch_engines(lambda: [record.status for record in records])

    workers: list[Worker] = [
        Reconciler(engines, mender, adapter, base.clock, runtime.reconcile_interval),
        GameStartWorker(starter, queue),
        EnrollmentWorker(lobby),
        TurnScheduler(
            base.transactions,
            clocks,
            generator,
            notices,
            base.clock,
            poll_interval=pace.poll_interval,
            downtime_tolerance=pace.downtime_tolerance,
            turns_at_once=pace.turns_at_once,
        ),
    ]
    return Rooms(
        Routers(
            user=[
                lobby_router(lobby, enrollment, versions, base.current_player, base.idempotent_call),
                play_router(orders, archive, base.current_player, base.idempotent_call),
            ],
            admin=[
                game_control_router(control, operations, base.require_operator, base.audit),
                versions_router(versions, base.require_operator, base.audit),
            ],
        ),
        enrollment,
        workers,
        [games.readiness, records.readiness, known_versions.readiness],
        [load_lobby, load_records],
    )
