"""The worker of a lane: what becomes of entries when transports and databases misbehave."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta

import pytest

from kit.backoff import Ladder
from kit.outbox import (
    Claim,
    Counts,
    Dead,
    Delivered,
    Lane,
    LaneSettings,
    LaneStorage,
    NotifyWaker,
    OutboxWorker,
    Outcome,
    Retry,
    TransportAway,
)
from kit.outbox.model import Completions
from kit.postgres import Database, PostgresUnavailable
from kit.testing import eventually
from kit.tests.outbox.conftest import LANE, QUICK, Letters

pytestmark = pytest.mark.stores

AT_ONCE = Ladder((timedelta(0),))


class Script:
    """A transport that does with each claim what a test says."""

    def __init__(self, verdict: Callable[[Claim], Outcome | None] = Delivered) -> None:
        self.verdict = verdict
        self.seen: list[str] = []
        self.away = False
        self.hold: asyncio.Event | None = None
        self.asked = asyncio.Event()
        self.stopping = asyncio.Event()

    async def deliver(self, claims: Sequence[Claim]) -> AsyncIterator[Sequence[Outcome]]:
        for claim in claims:
            if self.stopping.is_set():
                return
            self.asked.set()
            if self.away:
                raise TransportAway("post_office_shut")
            if self.hold is not None:
                await self.hold.wait()
            self.seen.append(claim.id)
            outcome = self.verdict(claim)
            if outcome is not None:
                yield [outcome]

    def stop(self) -> None:
        self.stopping.set()


class Ledger:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def delivered(self, count: int) -> None:
        self.events.append(f"delivered {count}")

    def retried(self, classification: str) -> None:
        self.events.append(f"retried {classification}")

    def dead_lettered(self, classification: str) -> None:
        self.events.append(f"dead {classification}")


def worker(
    letters: Letters,
    transport: Script,
    settings: LaneSettings = QUICK,
    storage: LaneStorage | None = None,
    observer: Ledger | None = None,
) -> OutboxWorker:
    return OutboxWorker(
        "worker",
        LANE,
        storage or letters.storage,
        transport,
        settings,
        AT_ONCE,
        observer,
        on_stop=transport.stop,
    )


async def test_each_entry_is_delivered_once(letters: Letters):
    ids = await letters.add(5)
    transport, ledger = Script(), Ledger()
    counts = await worker(letters, transport, observer=ledger).run_once()
    assert counts == Counts(claimed=5, delivered=5)
    assert sorted(transport.seen) == sorted(ids)
    assert ledger.events == ["delivered 1"] * 5


async def test_a_refused_entry_climbs_the_ladder_to_its_end_and_dies(letters: Letters):
    (entry_id,) = await letters.add()
    ledger = Ledger()
    busy = worker(letters, Script(lambda claim: Retry(claim, "busy", "not now")), observer=ledger)
    for _ in range(3):
        await busy.run_once()
    row = await letters.row(entry_id)
    assert (row["state"], row["last_error_classification"]) == ("dead_lettered", "busy")
    assert await letters.history(entry_id) == [(n, "refused", "busy") for n in (1, 2, 3)]
    assert ledger.events == ["retried busy", "retried busy", "dead busy"]


async def test_a_wait_of_nothing_is_a_wait_of_nothing(letters: Letters):
    (entry_id,) = await letters.add()
    slow = OutboxWorker(
        "worker",
        LANE,
        letters.storage,
        Script(lambda claim: Retry(claim, "busy", after=timedelta(0))),
        QUICK,
        Ladder((timedelta(hours=1),)),
    )
    await slow.run_once()
    assert len(await letters.claim()) == 1, f"{entry_id} is due at once, not after the ladder's hour"


async def test_an_entry_that_can_never_be_delivered_dies_at_once(letters: Letters):
    (entry_id,) = await letters.add()
    await worker(
        letters, Script(lambda claim: Dead(claim, "no_such_street", "text\x00with a NUL"))
    ).run_once()
    row = await letters.row(entry_id)
    assert (row["state"], row["last_error"]) == ("dead_lettered", "text\ufffdwith a NUL")


async def test_an_unknown_outcome_is_written_as_such(letters: Letters):
    (entry_id,) = await letters.add()
    unsure = Script(lambda claim: Retry(claim, "no_answer", unknown=True))
    await worker(letters, unsure).run_once()
    unsure.verdict = lambda claim: Dead(claim, "no_answer", unknown=True)
    await worker(letters, unsure).run_once()
    assert await letters.history(entry_id) == [(1, "unknown", "no_answer"), (2, "unknown", "no_answer")]


async def test_a_transport_that_is_away_costs_no_attempt_and_writes_no_history(letters: Letters):
    (entry_id,) = await letters.add()
    before = await letters.row(entry_id)
    transport = Script()
    transport.away = True
    for _ in range(20):
        with pytest.raises(TransportAway):
            await worker(letters, transport).run_once()
    assert await letters.row(entry_id) == before
    assert await letters.history(entry_id) == []
    transport.away = False
    await worker(letters, transport).run_once()
    assert await letters.history(entry_id) == [(1, "delivered", None)]


async def test_a_paused_worker_goes_on_by_itself(letters: Letters):
    (entry_id,) = await letters.add()
    transport = Script()
    transport.away = True
    task = asyncio.ensure_future(worker(letters, transport).run(lambda: None))
    await asyncio.wait_for(transport.asked.wait(), 10)
    transport.away = False
    await eventually(lambda: _has_state(letters, entry_id, "sent"))
    await _end(task)


async def test_a_claim_without_an_outcome_is_given_back(letters: Letters):
    (entry_id,) = await letters.add()
    await worker(letters, Script(lambda _: None)).run_once()
    assert (await letters.row(entry_id))["claim_token"] is None
    assert await letters.history(entry_id) == []


async def test_a_defect_of_the_transport_rises_and_leaves_no_claim_behind(letters: Letters):
    await letters.add(3)

    def broken(_: Claim) -> Outcome:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await worker(letters, Script(broken)).run_once()
    assert len(await letters.claim()) == 3


async def test_a_wake_is_quicker_than_the_interval(letters: Letters):
    slow = LaneSettings(worker_interval=timedelta(seconds=60), lease=timedelta(seconds=30))
    storage = Watched(letters.database, LANE)
    running = worker(letters, Script(), slow, storage)
    task = asyncio.ensure_future(running.run(lambda: None))
    await asyncio.wait_for(storage.claimed.wait(), 10)  # it has looked, found nothing and waits
    (entry_id,) = await letters.add()
    running.wake()
    await eventually(lambda: _has_state(letters, entry_id, "sent"), timeout=5)
    await _end(task)


async def test_a_notification_of_the_database_wakes_and_outlives_a_lost_connection(letters: Letters):
    woken = asyncio.Event()
    waker = NotifyWaker(letters.database, {LANE.channel: woken.set})
    task = asyncio.ensure_future(waker.run(lambda: None))
    await asyncio.wait_for(woken.wait(), 5)  # once at the start
    for _ in range(2):
        woken.clear()
        async with letters.database.connection() as connection:
            await connection.execute("NOTIFY letters")
        await asyncio.wait_for(woken.wait(), 5)
    await _end(task)


async def test_cancellation_falls_between_deliveries_and_never_before_a_mark(letters: Letters):
    await letters.add(5)
    transport = Script()
    transport.hold = asyncio.Event()
    task = asyncio.ensure_future(worker(letters, transport).run(lambda: None))
    await asyncio.wait_for(
        transport.asked.wait(), 10
    )  # the claims' commit alone does not tell that it has begun
    task.cancel()
    await asyncio.wait_for(transport.stopping.wait(), 10)
    assert not task.done(), "the delivery in hand is finished first"
    transport.hold.set()
    await asyncio.wait([task], timeout=10)
    assert task.cancelled()
    assert await _states(letters) == ["pending"] * 4 + ["sent"]
    assert await _claimed(letters, 0)


async def test_cancellation_between_a_claim_and_its_delivery_gives_all_back(letters: Letters):
    ids = await letters.add(5)
    storage, transport = Watched(letters.database, LANE), Script()
    storage.answer = asyncio.Event()
    task = asyncio.ensure_future(worker(letters, transport, storage=storage).run(lambda: None))
    await asyncio.wait_for(storage.claimed.wait(), 10)
    task.cancel()
    await asyncio.wait_for(transport.stopping.wait(), 10)
    storage.answer.set()
    await asyncio.wait([task], timeout=10)
    assert task.cancelled()
    assert transport.seen == []
    assert await _states(letters) == ["pending"] * 5
    assert await _claimed(letters, 0)
    assert [await letters.history(entry_id) for entry_id in ids] == [[]] * 5


class Watched(LaneStorage):
    """A storage that tells when a claim is committed, and may keep the worker waiting for it."""

    def __init__(self, database: Database, lane: Lane) -> None:
        super().__init__(database, lane)
        self.claimed = asyncio.Event()
        self.answer: asyncio.Event | None = None

    async def claim(self, batch: int, lease: timedelta) -> list[Claim]:
        claims = await super().claim(batch, lease)
        self.claimed.set()
        if self.answer is not None:
            await self.answer.wait()
        return claims


class Flaky(LaneStorage):
    """A storage whose completions fail a few times, as during a restart of Postgres."""

    failures = 0

    async def complete(self, completions: Completions) -> set[str]:
        if self.failures:
            self.failures -= 1
            raise PostgresUnavailable("restarting")
        return await super().complete(completions)


async def test_an_outage_shorter_than_the_lease_repeats_no_delivery(letters: Letters):
    (entry_id,) = await letters.add()
    storage = Flaky(letters.database, LANE)
    storage.failures = 3
    transport = Script()
    counts = await worker(letters, transport, storage=storage).run_once()
    assert counts.delivered == 1
    assert transport.seen == [entry_id]
    assert await letters.history(entry_id) == [(1, "delivered", None)]


async def test_an_outage_longer_than_the_lease_repeats_it_once_and_says_so(letters: Letters):
    (entry_id,) = await letters.add()
    storage = Flaky(letters.database, LANE)
    storage.failures = 1000
    transport = Script()
    short = LaneSettings(
        worker_interval=timedelta(milliseconds=20), lease=timedelta(milliseconds=300), max_attempts=3
    )
    with pytest.raises(PostgresUnavailable):
        await worker(letters, transport, short, storage).run_once()
    await letters.expire_leases()
    await worker(letters, transport, short).run_once()
    assert transport.seen == [entry_id, entry_id]
    assert await letters.history(entry_id) == [(1, "unknown", "lease_expired"), (2, "delivered", None)]


async def test_a_mark_that_fails_gives_back_nothing_that_may_have_been_begun(letters: Letters):
    ids = await letters.add(2)
    storage = Flaky(letters.database, LANE)
    storage.failures = 1000
    short = LaneSettings(
        worker_interval=timedelta(milliseconds=20), lease=timedelta(milliseconds=300), max_attempts=3
    )
    with pytest.raises(PostgresUnavailable):
        await worker(letters, Script(), short, storage).run_once()
    await letters.expire_leases()
    await worker(letters, Script()).run_once()
    for entry_id in ids:
        assert await letters.history(entry_id) == [(1, "unknown", "lease_expired"), (2, "delivered", None)]


async def test_an_entry_that_kills_its_workers_ends_as_a_dead_letter(letters: Letters):
    (entry_id,) = await letters.add()
    for _ in range(QUICK.max_attempts):
        await letters.claim()
        await letters.expire_leases()
    transport = Script()
    await worker(letters, transport).run_once()
    assert transport.seen == []
    row = await letters.row(entry_id)
    assert (row["state"], row["last_error_classification"]) == ("dead_lettered", "attempts_exhausted")


async def test_a_zombie_that_wakes_up_in_mid_delivery_is_counted_as_lost(letters: Letters):
    (entry_id,) = await letters.add()
    transport = Script()
    transport.hold = asyncio.Event()
    zombie = asyncio.ensure_future(worker(letters, transport).run_once())
    await eventually(lambda: _claimed(letters, 1))
    await letters.expire_leases()
    await worker(letters, Script(), storage=LaneStorage(letters.database, LANE)).run_once()
    before = await letters.row(entry_id)
    transport.hold.set()
    assert (await zombie).lost == 1
    assert await letters.row(entry_id) == before


async def _has_state(letters: Letters, entry_id: str, state: str) -> bool:
    return bool((await letters.row(entry_id))["state"] == state)


async def _states(letters: Letters) -> list[str]:
    async with letters.database.connection() as connection:
        return [r["state"] for r in await connection.fetch("SELECT state FROM letters ORDER BY state")]


async def _claimed(letters: Letters, count: int) -> bool:
    async with letters.database.connection() as connection:
        return bool(
            await connection.fetchval("SELECT count(*) FROM letters WHERE claim_token IS NOT NULL") == count
        )


async def _end(task: "asyncio.Future[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)
