"""Engines as the rest of the backend handles them: started, stopped, restarted, found. `mending` keeps them as wanted."""

import asyncio
from collections.abc import Sequence

from backend.cache import TableCache
from backend.leadership.ports import Transactions
from backend.runtime.alerts import Alerts
from backend.runtime.boot import Boots
from backend.runtime.errors import ContainersAway, RuntimeFailure
from backend.runtime.locks import GameLocks
from backend.runtime.model import (
    Desired,
    Endpoint,
    OperationKind,
    RuntimeRecord,
    RuntimeStatus,
    Seen,
    failures_after,
    restart_wait,
)
from backend.runtime.operations import OperationLog
from backend.runtime.ports import Containers
from backend.runtime.sightings import Sightings
from backend.runtime.storage import RuntimeStorage
from kit.clock import Clock
from kit.logs import get_logger
from kit.postgres import Connection

_log = get_logger("runtime")
SYSTEM = "system"


class EngineDown(Exception):
    """The game's engine is not running just now; the reconciler knows and sees to it."""


class Engines:
    """Use cases of the runtime. One lock a game keeps its operations apart."""

    def __init__(
        self,
        transactions: Transactions,
        storage: RuntimeStorage,
        cache: TableCache[str, RuntimeRecord],
        operations: OperationLog,
        containers: Containers,
        boots: Boots,
        sightings: Sightings,
        locks: GameLocks,
        alerts: Alerts,
        clock: Clock,
    ) -> None:
        self._transactions = transactions
        self._storage = storage
        self._cache = cache
        self._operations = operations
        self._containers = containers
        self._boots = boots
        self._sightings = sightings
        self._locks = locks
        self._alerts = alerts
        self._clock = clock
        self.look_again = asyncio.Event()
        """Set when the reconciler should not wait for its interval."""

    # Reading

    def status_of(self, game_id: str) -> tuple[str, str]:
        """Return the status players see, and a sentence."""
        record = self._cache.find(game_id)
        if record is None:
            return "none", ""
        if self._sightings.away and record.desired is Desired.RUNNING:
            return "unavailable", "the service that runs the engines does not answer"
        return record.status, record.detail

    def record_of(self, game_id: str) -> RuntimeRecord | None:
        """Return a game's runtime record, or None before its first start."""
        return self._cache.find(game_id)

    def endpoint_of(self, game_id: str) -> Endpoint:
        """Return where a game's engine answers. Raises ContainersAway and EngineDown."""
        if self._sightings.away:
            raise ContainersAway(self._sightings.away)
        seen = self._sightings.running.get(game_id)
        record = self._cache.find(game_id)
        if seen is None or seen.endpoint is None or record is None:
            raise EngineDown(game_id)
        if record.status is not RuntimeStatus.RUNNING or record.container_ref != seen.ref:
            raise EngineDown(game_id)
        return seen.endpoint

    # Operations

    async def start(
        self, game_id: str, engine_version: str, requested_by: str, *, keep_wanting: bool = False
    ) -> Endpoint:
        """Start a game's engine and wait until it is ready; one that runs already is kept.

        On failure operators are told, and it is tried again only with `keep_wanting`. Raises RuntimeFailure.
        """
        async with self._locks.hold(game_id):
            async with self._transactions.write() as connection:
                record = await self._storage.want_running(connection, game_id, engine_version)
            self._cache.put(record)
            try:
                return self.endpoint_of(game_id)
            except (EngineDown, ContainersAway):
                pass
            return await self.start_held(record, requested_by, keep_wanting=keep_wanting)

    async def stop(self, game_id: str, requested_by: str) -> None:
        """Stop a game's engine. Harmless when there is none. Raises ContainersAway; it is then stopped later."""
        async with self._locks.hold(game_id):
            async with self._transactions.write() as connection:
                record = await self._storage.want_stopped(connection, game_id)
            if record is None:
                return
            self._cache.put(record)
            async with self._operations.record(game_id, OperationKind.STOP, requested_by):
                await self.stop_held(game_id)

    async def restart(self, game_id: str, requested_by: str) -> None:
        """Throw a game's engine away and start another. Raises RuntimeFailure, EngineDown where there never was one."""
        async with self._locks.hold(game_id):
            record = self._cache.find(game_id)
            if record is None:
                raise EngineDown(game_id)
            async with self._operations.record(game_id, OperationKind.RESTART, requested_by):
                async with self._transactions.write() as connection:
                    record = await self._storage.want_running(connection, game_id, record.engine_version)
                self._cache.put(record)
                await self.stop_held(game_id)
                await self.start_held(record, requested_by, keep_wanting=True)

    async def replace(self, game_id: str, engine_version: str, requested_by: str) -> Endpoint:
        """Throw a game's engine away and start one of another version, still empty. Raises RuntimeFailure."""
        async with self._locks.hold(game_id):
            async with self._transactions.write() as connection:
                record = await self._storage.want_version(connection, game_id, engine_version)
            self._cache.put(record)
            await self.stop_held(game_id)
            return await self.start_held(record, requested_by, keep_wanting=True)

    async def look_after(self, game_id: str) -> None:
        """See to an engine that gave no good answer: one that runs is thrown away, the end of one that does not is noted.

        Raises RuntimeFailure.
        """
        record = self._cache.find(game_id)
        if record is not None and record.status is RuntimeStatus.RUNNING:
            seen = {container.ref: container for container in await self._of_game(game_id)}
            container = seen.get(record.container_ref or "")
            if container is not None and container.running:
                await self.restart(game_id, SYSTEM)
        self.look_again.set()

    async def want_stopped(self, connection: Connection, game_id: str) -> RuntimeRecord | None:
        """Want an engine stopped inside somebody's transaction; give the result to `committed` after it."""
        return await self._storage.want_stopped(connection, game_id)

    async def set_skip(
        self, connection: Connection, game_id: str, skip_next_tick: bool
    ) -> RuntimeRecord | None:
        """Set or consume the one-shot flag inside somebody's transaction; give the result to `committed` after it."""
        return await self._storage.set_skip(connection, game_id, skip_next_tick)

    def committed(self, record: RuntimeRecord | None) -> None:
        """Note a committed record and have the reconciler act on it."""
        if record is not None:
            self._cache.put(record)
            self.look_again.set()

    # Parts, for whoever holds the game's lock

    async def start_held(self, record: RuntimeRecord, requested_by: str, *, keep_wanting: bool) -> Endpoint:
        """Boot an engine as a logged operation; a failure is noted and told. Raises RuntimeFailure."""
        game_id = record.game_id
        async with self._operations.record(game_id, OperationKind.START, requested_by):
            async with self._transactions.write() as connection:
                starting = await self._storage.note_starting(connection, game_id)
            self._cache.put(starting)
            try:
                seen, endpoint = await self._boots.boot(record)
            except RuntimeFailure as error:
                await self._note_failed(record, error, keep_wanting=keep_wanting)
                raise
            async with self._transactions.write() as connection:
                running = await self._storage.note_running(connection, game_id, seen.ref)
            self._sightings.running[game_id] = seen
            self._cache.put(running)
            _log.info("engine_started", game_id=game_id, ref=seen.ref, version=record.engine_version)
            return endpoint

    async def stop_held(self, game_id: str) -> None:
        """Stop every container of a game and note it. Raises ContainersAway."""
        for container in await self._of_game(game_id):
            await self._containers.stop(container.ref)
        self._sightings.running.pop(game_id, None)
        async with self._transactions.write() as connection:
            record = await self._storage.note_stopped(connection, game_id)
        self._cache.put(record)

    async def _of_game(self, game_id: str) -> Sequence[Seen]:
        return [c for c in await self._containers.list() if c.game_id == game_id]

    async def _note_failed(self, record: RuntimeRecord, error: RuntimeFailure, *, keep_wanting: bool) -> None:
        failures = failures_after(record, self._clock.now())
        away = isinstance(error, ContainersAway)
        async with self._transactions.write() as connection:
            failed = await self._storage.note_down(
                connection,
                record.game_id,
                RuntimeStatus.FAILED,
                "the engine could not be started",
                record.failures if away else failures,
                restart_wait(1 if away else failures),
            )
            if not keep_wanting:
                stopped = await self._storage.want_stopped(connection, record.game_id)
                assert stopped is not None
                failed = stopped
            if not keep_wanting:
                await self._alerts.first_start_failed(connection, record.game_id, error)
            elif record.status is not RuntimeStatus.FAILED and not away:  # one mail a row of failed restarts
                await self._alerts.restart_failed(connection, record.game_id, error)
        self._cache.put(failed)
        self.look_again.set()
