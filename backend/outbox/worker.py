"""The lanes' workers, and what tidies up behind them."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from redis.asyncio import Redis

from backend.leadership.ports import Transactions
from backend.outbox import storage
from backend.outbox.model import RETRY_FIRST, RETRY_LONGEST, LaneName
from backend.outbox.transport import RedisTransport
from backend.telemetry import DepthGauges, LaneMetrics, OutboxMetrics
from kit.backoff import Ladder
from kit.faults import Faults
from kit.logs import get_logger
from kit.outbox import Lane, LaneSettings, LaneStorage, NotifyWaker, OutboxWorker
from kit.postgres import Database, PostgresUnavailable
from kit.redis_pool import RedisUnavailable, tell_durability
from kit.tasks import Worker
from kit.telemetry import Telemetry

_log = get_logger("outbox")
_CONTENTS_KEPT = timedelta(days=7)
_FORGET_AT_ONCE = 1000


def lane(name: LaneName) -> Lane:
    """Return the words of a lane of the table `outbox`."""
    return Lane(
        table="outbox",
        waiting=("pending",),
        leased="pending",
        delivered="published",
        retry="pending",
        dead="dead_lettered",
        channel=f"outbox_{name.value}",
        partition=name.value,
    )


def lane_worker(
    name: LaneName,
    database: Database,
    transport: RedisTransport,
    interval: timedelta,
    max_attempts: int,
    metrics: LaneMetrics,
    lease: timedelta = timedelta(minutes=1),
) -> OutboxWorker:
    """Build the worker of one lane: batches of 100, waits of 5 s doubling to 5 min."""
    of_lane = lane(name)
    return OutboxWorker(
        f"outbox_{name.value}_worker",
        of_lane,
        LaneStorage(database, of_lane),
        transport,
        LaneSettings(worker_interval=interval, max_attempts=max_attempts, lease=lease),
        Ladder.doubling(RETRY_FIRST, RETRY_LONGEST, max_attempts),
        metrics,
    )


class OutboxKeeper:
    """Looks at the lanes for the gauges and empties what was handed over a week ago; keys stay for ever.

    The backend starts without Redis, so it is this worker that asks once, as soon as there is an answer, whether what the
    lanes hand over would outlive a crash of Redis.
    """

    name = "outbox_keeper"

    def __init__(
        self,
        database: Database,
        transactions: Transactions,
        gauges: DepthGauges,
        redis: "Redis",
        interval: timedelta = timedelta(seconds=15),
    ) -> None:
        self._storages = {name: LaneStorage(database, lane(name)) for name in LaneName}
        self._transactions = transactions
        self._gauges = gauges
        self._redis = redis
        self._durability_told = False
        self._interval = interval

    async def run(self, started: Callable[[], None]) -> None:
        """Work until cancelled; a database that is away is waited for."""
        started()
        while True:
            try:
                await self.run_once()
            except PostgresUnavailable as error:
                _log.warning("outbox_keeper_paused", reason=str(error))
            except RedisUnavailable:
                pass  # the lanes' workers say so; the question keeps
            await asyncio.sleep(self._interval.total_seconds())

    async def run_once(self) -> int:
        """Look once; return how many entries were emptied. Raises PostgresUnavailable and RedisUnavailable."""
        for name, lane_storage in self._storages.items():
            self._gauges.saw(name.value, *await lane_storage.depth())
        async with self._transactions.write() as connection:
            emptied = await storage.forget_contents(connection, _CONTENTS_KEPT, _FORGET_AT_ONCE)
        if not self._durability_told:
            await tell_durability(self._redis)
            self._durability_told = True
        return emptied


def outbox_workers(
    database: Database,
    transactions: Transactions,
    redis: "Redis",
    key_prefix: str,
    intervals: dict[LaneName, timedelta],
    max_attempts: dict[LaneName, int],
    lease: timedelta,
    session_events_stream: str,
    telemetry: Telemetry,
    faults: Faults,
) -> list[Worker]:
    """Build everything of the outbox that runs by itself."""
    bounded = frozenset({session_events_stream} if session_events_stream else ())
    transport = RedisTransport(database, redis, key_prefix, bounded, faults)
    metrics = OutboxMetrics(telemetry)
    lanes = {
        name: lane_worker(
            name,
            database,
            transport,
            intervals[name],
            max_attempts[name],
            metrics.of_lane(name.value),
            lease,
        )
        for name in LaneName
    }
    waker = NotifyWaker(database, {lane(name).channel: worker.wake for name, worker in lanes.items()})
    return [*lanes.values(), waker, OutboxKeeper(database, transactions, DepthGauges(telemetry), redis)]
