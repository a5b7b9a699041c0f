"""Reconciling: what containers there are against what the records want, and game by game what has to be done about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from backend.cache import TableCache
from backend.leadership.ports import Transactions
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
from backend.runtime.errors import ContainersAway, RuntimeFailure
from backend.runtime.locks import GameLocks
from backend.runtime.model import (
    Desired,
    OperationKind,
    RuntimeRecord,
    RuntimeStatus,
    Seen,
    failures_after,
    restart_wait,
)
from backend.runtime.operations import OperationLog
from backend.runtime.ports import Containers, Probe
from backend.runtime.service import SYSTEM, Engines
from backend.runtime.sightings import Sightings
from backend.runtime.storage import RuntimeStorage
from kit.clock import Clock
from kit.logs import get_logger

_log = get_logger("runtime")


@dataclass(frozen=True)
class Mend:
    """What a survey found to do for one game: the record it looked at, and the containers it saw, by reference."""

    game_id: str
    record: RuntimeRecord | None
    actions: Sequence[Action]
    seen: Mapping[str, Seen]


class Mender:
    """Surveys all containers at once and mends one game at a time, under the lock that keeps its operations apart."""

    def __init__(
        self,
        transactions: Transactions,
        storage: RuntimeStorage,
        cache: TableCache[str, RuntimeRecord],
        operations: OperationLog,
        containers: Containers,
        probe: Probe,
        engines: Engines,
        sightings: Sightings,
        locks: GameLocks,
        clock: Clock,
    ) -> None:
        """`engines`, `sightings` and `locks` are of one set: what an operation did is seen here, and the other way round."""
        self._transactions = transactions
        self._storage = storage
        self._cache = cache
        self._operations = operations
        self._containers = containers
        self._probe = probe
        self._engines = engines
        self._sightings = sightings
        self._locks = locks
        self._clock = clock

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
            if not self._sightings.away:
                _log.error("containers_away", reason=str(error))
            self._sightings.away = str(error) or "away"
            return []
        if self._sightings.away:
            _log.info("containers_back")
        self._sightings.away = ""
        # While we looked, an operation may have ended: its container is not in the list, and its game no business of ours.
        records = {game_id: record for game_id, record in before.items() if self._steady(game_id, record)}
        seen = [c for c in seen if c.game_id in records or self._steady(c.game_id, None)]
        for game_id in records:
            self._sightings.running.pop(game_id, None)
        self._sightings.running.update({c.game_id: c for c in seen if c.running and self._is_recorded(c)})
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
            self._engines.committed(record)

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
                    await self._engines.start_held(record, SYSTEM, keep_wanting=True)
            case Stop(game_id, _):
                async with self._operations.record(game_id, OperationKind.STOP, SYSTEM):
                    await self._engines.stop_held(game_id)
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
        self._sightings.running.pop(game_id, None)
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
        self._engines.look_again.set()

    async def _adopt(self, game_id: str, seen: Seen) -> None:
        if seen.endpoint is None or not await self._probe.is_ready(seen.endpoint):
            return
        async with self._transactions.write() as connection:
            record = await self._storage.note_adopted(connection, game_id, seen.ref)
        self._cache.put(record)
        self._sightings.running[game_id] = seen

    def _is_recorded(self, container: Seen) -> bool:
        record = self._cache.find(container.game_id)
        return record is not None and record.container_ref == container.ref
