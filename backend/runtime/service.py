"""Engines as the rest of the backend handles them: started, stopped, restarted, found; kept by the reconciler."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from backend.cache import TableCache
from backend.engine_versions.service import EngineVersions
from backend.leadership.ports import Transactions
from backend.runtime.alerts import Alerts
from backend.runtime.compare import (
    Action,
    Adopt,
    NoteCrash,
    NoteStopped,
    Remove,
    Start,
    Stop,
    compare,
)
from backend.runtime.errors import (
    ConfigInvalid,
    ContainersAway,
    RuntimeFailure,
    StartFailed,
)
from backend.runtime.locks import GameLocks
from backend.runtime.model import (
    ContainerSpec,
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
from backend.runtime.ports import Containers, Probe
from backend.runtime.storage import RuntimeStorage
from kit.clock import Clock
from kit.logs import get_logger
from kit.postgres import Connection

_log = get_logger("runtime")
_READY_POLL_SECONDS = 0.05
SYSTEM = "system"


class EngineDown(Exception):
    """The game's engine is not running just now; the reconciler knows and sees to it."""


@dataclass(frozen=True)
class Mend:
    """What a survey found to do for one game: the record it looked at, and the containers it saw, by reference."""

    game_id: str
    record: RuntimeRecord | None
    actions: Sequence[Action]
    seen: Mapping[str, Seen]


class Engines:
    """Use cases of the runtime. One lock a game keeps its operations apart."""

    def __init__(
        self,
        transactions: Transactions,
        storage: RuntimeStorage,
        cache: TableCache[str, RuntimeRecord],
        operations: OperationLog,
        containers: Containers,
        probe: Probe,
        versions: EngineVersions,
        alerts: Alerts,
        clock: Clock,
        *,
        boot_timeout: timedelta,
        starts_at_once: int,
    ) -> None:
        self._transactions = transactions
        self._storage = storage
        self._cache = cache
        self._operations = operations
        self._containers = containers
        self._probe = probe
        self._versions = versions
        self._alerts = alerts
        self._clock = clock
        self._boot_timeout = boot_timeout
        self._starts = asyncio.Semaphore(starts_at_once)
        self._locks = GameLocks()
        self._running: dict[str, Seen] = {}
        self._away: str = ""
        self.look_again = asyncio.Event()
        """Set when the reconciler should not wait for its interval."""

    # Reading

    def status_of(self, game_id: str) -> tuple[str, str]:
        """Return the status players see, and a sentence."""
        record = self._cache.find(game_id)
        if record is None:
            return "none", ""
        if self._away and record.desired is Desired.RUNNING:
            return "unavailable", "the service that runs the engines does not answer"
        return record.status, record.detail

    def record_of(self, game_id: str) -> RuntimeRecord | None:
        """Return a game's runtime record, or None before its first start."""
        return self._cache.find(game_id)

    def endpoint_of(self, game_id: str) -> Endpoint:
        """Return where a game's engine answers. Raises ContainersAway and EngineDown."""
        if self._away:
            raise ContainersAway(self._away)
        seen = self._running.get(game_id)
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
            return await self._start(record, requested_by, keep_wanting=keep_wanting)

    async def stop(self, game_id: str, requested_by: str) -> None:
        """Stop a game's engine. Harmless when there is none. Raises ContainersAway; it is then stopped later."""
        async with self._locks.hold(game_id):
            async with self._transactions.write() as connection:
                record = await self._storage.want_stopped(connection, game_id)
            if record is None:
                return
            self._cache.put(record)
            async with self._operations.record(game_id, OperationKind.STOP, requested_by):
                await self._stop(game_id)

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
                await self._stop(game_id)
                await self._start(record, requested_by, keep_wanting=True)

    async def replace(self, game_id: str, engine_version: str, requested_by: str) -> Endpoint:
        """Throw a game's engine away and start one of another version, still empty. Raises RuntimeFailure."""
        async with self._locks.hold(game_id):
            async with self._transactions.write() as connection:
                record = await self._storage.want_version(connection, game_id, engine_version)
            self._cache.put(record)
            await self._stop(game_id)
            return await self._start(record, requested_by, keep_wanting=True)

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

    # Reconciling

    async def take_over(self) -> None:
        """Begin a process's life: end the log rows of the one before, and forget containers that ended with it."""
        abandoned = await self._operations.abandon_open()
        async with self._transactions.write() as connection:
            await self._storage.forget_patches(connection)
        if not self._containers.survives_us:
            async with self._transactions.write() as connection:
                await self._storage.forget_containers(connection)
        if abandoned:
            _log.warning("runtime_operations_abandoned", count=abandoned)

    async def survey(self) -> Sequence[Mend]:
        """Compare, and return what there is to mend, one a game; nothing is mended before it is given to `mend`.

        A game with an operation on its way is left out. The service that runs engines being away is noted and changes
        nothing else.
        """
        before = {record.game_id: record for record in self._cache}
        try:
            await self._containers.prepare()
            seen = await self._containers.list()
        except ContainersAway as error:
            if not self._away:
                _log.error("containers_away", reason=str(error))
            self._away = str(error) or "away"
            return []
        if self._away:
            _log.info("containers_back")
        self._away = ""
        # While we looked, an operation may have ended: its container is not in the list, and its game no business of ours.
        records = {game_id: record for game_id, record in before.items() if self._steady(game_id, record)}
        seen = [c for c in seen if c.game_id in records or self._steady(c.game_id, None)]
        for game_id in records:
            self._running.pop(game_id, None)
        self._running.update({c.game_id: c for c in seen if c.running and self._is_recorded(c)})
        actions = compare(
            records, seen, self._clock.now(), reap_unknown=self._containers.owns_everything_seen
        )
        by_ref = {container.ref: container for container in seen}
        by_game: dict[str, list[Action]] = {}
        for action in actions:
            by_game.setdefault(action.game_id, []).append(action)
        return [Mend(game_id, records.get(game_id), todo, by_ref) for game_id, todo in by_game.items()]

    async def mend(self, mend: Mend) -> int:
        """Mend one game, unless it changed since the survey; return how many actions were taken.

        A start may take as long as a pull does; no other game's mend need wait for it.
        """
        if not self._steady(mend.game_id, mend.record):
            return 0
        async with self._locks.hold(mend.game_id):
            for action in mend.actions:
                _log.info("reconciler_action", action=type(action).__name__, game_id=mend.game_id)
                try:
                    await self._do(action, mend.seen)
                except RuntimeFailure as error:
                    _log.warning("reconciler_action_failed", game_id=mend.game_id, reason=str(error))
        return len(mend.actions)

    async def release(self) -> None:
        """Want no engine any more for games that are over or could not start, and were left with one."""
        async with self._transactions.read() as connection:
            unwanted = await self._storage.list_unwanted(connection)
        for game_id in unwanted:
            if self._locks.held(game_id):
                continue  # it is being started or stopped; the next pass sees what came of it
            async with self._transactions.write() as connection:
                record = await self._storage.want_stopped(connection, game_id)
            _log.info("engine_released", game_id=game_id)
            self.committed(record)

    def next_restart_at(self) -> datetime | None:
        """Return when the reconciler should look again at the latest, for a restart that waits."""
        return min(
            (
                record.restart_at
                for record in self._cache
                if record.restart_at is not None and record.desired is Desired.RUNNING
            ),
            default=None,
        )

    def _steady(self, game_id: str, record: RuntimeRecord | None) -> bool:
        """Tell whether a game's record is the one looked at, and no operation on its way that will leave things right."""
        return self._cache.find(game_id) is record and not self._locks.held(game_id)

    async def _do(self, action: Action, by_ref: Mapping[str, Seen]) -> None:
        match action:
            case Start(game_id):
                record = self._cache.find(game_id)
                if record is not None and record.desired is Desired.RUNNING:
                    await self._start(record, SYSTEM, keep_wanting=True)
            case Stop(game_id, _):
                async with self._operations.record(game_id, OperationKind.STOP, SYSTEM):
                    await self._stop(game_id)
            case Remove(_, ref):
                await self._containers.stop(ref)
            case NoteCrash(game_id, ref, detail):
                await self._note_crash(game_id, ref, detail)
            case Adopt(game_id, ref):
                await self._adopt(game_id, by_ref[ref])
            case NoteStopped(game_id):
                async with self._transactions.write() as connection:
                    record = await self._storage.note_stopped(connection, game_id)
                self._cache.put(record)
            case _:
                assert_never(action)

    async def _note_crash(self, game_id: str, ref: str | None, detail: str) -> None:
        record = self._cache.find(game_id)
        assert record is not None, "crashes are of games with records"
        words = await self._containers.last_words(ref) if ref else ""
        failures = failures_after(record, self._clock.now())
        wait = restart_wait(failures)
        _log.warning(
            "engine_crashed",
            game_id=game_id,
            detail=detail,
            failures=failures,
            restart_in_seconds=wait.total_seconds(),
            last_words=words[-500:],
        )
        if ref:
            await self._containers.stop(ref)
        self._running.pop(game_id, None)
        async with self._transactions.write() as connection:
            record = await self._storage.note_down(
                connection,
                game_id,
                RuntimeStatus.CRASHED,
                f"the engine ended ({detail}) and is being restarted",
                failures,
                wait,
            )
        self._cache.put(record)
        self.look_again.set()

    async def _adopt(self, game_id: str, seen: Seen) -> None:
        if seen.endpoint is None or not await self._probe.is_ready(seen.endpoint):
            return
        async with self._transactions.write() as connection:
            record = await self._storage.note_adopted(connection, game_id, seen.ref)
        self._cache.put(record)
        self._running[game_id] = seen

    async def _start(self, record: RuntimeRecord, requested_by: str, *, keep_wanting: bool) -> Endpoint:
        game_id = record.game_id
        async with self._operations.record(game_id, OperationKind.START, requested_by):
            async with self._transactions.write() as connection:
                starting = await self._storage.note_starting(connection, game_id)
            self._cache.put(starting)
            try:
                async with self._starts:
                    seen, endpoint = await self._boot(record)
            except RuntimeFailure as error:
                await self._note_failed(record, error, keep_wanting=keep_wanting)
                raise
            async with self._transactions.write() as connection:
                running = await self._storage.note_running(connection, game_id, seen.ref)
            self._running[game_id] = seen
            self._cache.put(running)
            _log.info("engine_started", game_id=game_id, ref=seen.ref, version=record.engine_version)
            return endpoint

    async def _boot(self, record: RuntimeRecord) -> tuple[Seen, Endpoint]:
        version = self._versions.find(record.engine_version)
        if version is None:
            raise ConfigInvalid(f"engine version {record.engine_version} is not registered")
        await self._containers.prepare()
        await self._containers.fetch(version.image, version.digest)
        spec = ContainerSpec(record.game_id, version.semver, version.image, secrets.token_urlsafe(32))
        seen = await self._containers.start(spec)
        assert seen.endpoint is not None, "a started container has an endpoint"
        deadline = self._clock.monotonic() + self._boot_timeout.total_seconds()
        while not await self._probe.is_ready(seen.endpoint):
            still = {container.ref: container for container in await self._containers.list()}.get(seen.ref)
            ended = still is None or not still.running
            if ended or self._clock.monotonic() > deadline:
                words = await self._containers.last_words(seen.ref)
                await self._containers.stop(seen.ref)
                what = "ended while it booted" if ended else f"was not ready within {self._boot_timeout}"
                raise StartFailed(f"the engine {what}: {words[-300:]}")
            await asyncio.sleep(_READY_POLL_SECONDS)
        return seen, seen.endpoint

    async def _stop(self, game_id: str) -> None:
        for container in await self._of_game(game_id):
            await self._containers.stop(container.ref)
        self._running.pop(game_id, None)
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

    def _is_recorded(self, container: Seen) -> bool:
        record = self._cache.find(container.game_id)
        return record is not None and record.container_ref == container.ref
