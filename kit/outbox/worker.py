"""The worker of one lane: claim a batch, deliver it with no transaction open, mark what became of it."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol, assert_never

from kit.backoff import Backoff, Ladder
from kit.logs import get_logger
from kit.outbox.model import (
    Claim,
    Completion,
    Dead,
    Delivered,
    Lane,
    LaneSettings,
    Outcome,
    Retry,
    TransportAway,
)
from kit.outbox.storage import LaneStorage
from kit.postgres import PostgresUnavailable
from kit.tasks import raise_if_cancelled

_log = get_logger("outbox")
_ERROR_TEXT_MAX = 500
_MARK_AGAIN = Backoff(timedelta(milliseconds=50), timedelta(seconds=1))


class Transport(Protocol):
    """Where a lane's entries go."""

    def deliver(self, claims: Sequence[Claim]) -> AsyncIterator[Sequence[Outcome]]:
        """Deliver claimed entries and yield their outcomes, in any grouping, each group as soon as it is known.

        Each group is marked before the next is asked for. A claim without an outcome at the end, also when this raises, is
        given back untried: so yield an outcome for whatever was begun before raising.
        Raises TransportAway when nothing can be delivered now.
        """


class Observer(Protocol):
    """Who counts outcomes; services pass their declared metrics."""

    def delivered(self, count: int) -> None:
        """Count deliveries."""

    def retried(self, classification: str) -> None:
        """Count a refusal that will be tried again."""

    def dead_lettered(self, classification: str) -> None:
        """Count a dead letter."""


class NoObserver:
    """Counts nothing."""

    def delivered(self, count: int) -> None:
        """Ignore."""

    def retried(self, classification: str) -> None:
        """Ignore."""

    def dead_lettered(self, classification: str) -> None:
        """Ignore."""


@dataclass(frozen=True)
class Counts:
    """What one pass did."""

    claimed: int = 0
    delivered: int = 0
    retried: int = 0
    dead: int = 0
    lost: int = 0
    """Completions that came too late: the lease had run out and another worker has the entry."""

    @property
    def moved(self) -> bool:
        """Tell whether any entry changed, rather than all being given back."""
        return self.delivered + self.retried + self.dead > 0


class OutboxWorker:
    """Drains one lane.

    Error policy: a transport or a database that is away is waited for with capped, jittered backoff; anything else is a
    defect and rises. A mark that the database does not take is repeated while the lease lasts, so that a short outage
    repeats no delivery. On cancellation the pass in hand is finished; `on_stop` lets a transport with long batches begin
    nothing new, and what it did not begin is given back.
    """

    def __init__(
        self,
        name: str,
        lane: Lane,
        storage: LaneStorage,
        transport: Transport,
        settings: LaneSettings,
        ladder: Ladder,
        observer: Observer | None = None,
        on_stop: Callable[[], None] | None = None,
    ) -> None:
        self._name = name
        self._lane = lane
        self._storage = storage
        self._transport = transport
        self._settings = settings
        self._ladder = ladder
        self._observer = observer or NoObserver()
        self._on_stop = on_stop
        self._stopping = False
        self._wake = asyncio.Event()
        self._away = Backoff(timedelta(milliseconds=200), settings.worker_interval * 2)

    @property
    def name(self) -> str:
        """Return the worker's name for logs."""
        return self._name

    def wake(self) -> None:
        """Look at the table now rather than at the next interval (`NOTIFY`, or the writer in this very process)."""
        self._wake.set()

    async def run(self, started: Callable[[], None]) -> None:
        """Drain until cancelled."""
        started()
        failures = 0
        while True:
            raise_if_cancelled()
            self._wake.clear()
            try:
                counts = await self.run_once()
            except (TransportAway, PostgresUnavailable) as error:
                if failures == 0:
                    _log.warning("outbox_paused", worker=self._name, reason=str(error))
                await asyncio.sleep(self._away.wait_seconds(failures))
                failures += 1
                continue
            if failures:
                _log.info("outbox_resumed", worker=self._name)
                failures = 0
            if counts.claimed < self._settings.batch or not counts.moved:
                self._storage.forget_low_mark()
                await self._idle()

    async def _idle(self) -> None:
        try:
            async with asyncio.timeout(self._settings.worker_interval.total_seconds()):
                await self._wake.wait()
        except TimeoutError:
            return

    async def run_once(self) -> Counts:
        """Claim and deliver one batch; return what happened.

        Raises TransportAway (open claims have been given back) and PostgresUnavailable (their leases run out by themselves).
        """
        # Cancellation must fall neither between a claim's commit and its use nor between a delivery and its mark.
        work = asyncio.ensure_future(self._pass())
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            self._stopping = True
            if self._on_stop is not None:
                self._on_stop()
            await asyncio.wait([work])
            if not work.cancelled() and (error := work.exception()) is not None:
                _log.warning("outbox_last_pass_failed", worker=self._name, reason=str(error))
            raise

    async def _pass(self) -> Counts:
        claims = await self._storage.claim(self._settings.batch, self._settings.lease)
        lease_ends_at = time.monotonic() + self._settings.lease.total_seconds()
        if not claims:
            return Counts()
        if self._stopping:
            await self._storage.release(claims)
            return Counts(claimed=len(claims))
        return await self._deliver(claims, lease_ends_at)

    async def _deliver(self, claims: Sequence[Claim], lease_ends_at: float) -> Counts:
        open_claims = {claim.id: claim for claim in claims}
        counts = Counts(claimed=len(claims))
        # Each earlier attempt of these ended with a lost lease: an entry that kills its workers must not do so for ever.
        spent = [claim for claim in claims if claim.series_attempt > self._settings.max_attempts]
        tries = [claim for claim in claims if claim.series_attempt <= self._settings.max_attempts]
        groups = self._transport.deliver(tries)
        marking = False
        try:
            if spent:
                exhausted = [Dead(claim, "attempts_exhausted", unknown=True) for claim in spent]
                counts = await self._mark(counts, exhausted, lease_ends_at)
                open_claims = {claim.id: claim for claim in tries}
            if tries:
                async for outcomes in groups:
                    for outcome in outcomes:
                        open_claims.pop(outcome.claim.id, None)
                    marking = True
                    counts = await self._mark(counts, outcomes, lease_ends_at)
                    marking = False
        finally:
            if isinstance(groups, AsyncGenerator):
                await groups.aclose()
            # A mark that failed breaks the transport off in the middle: it may have begun any of these, so their leases end.
            if open_claims and not marking:
                await self._storage.release(list(open_claims.values()))
        return counts

    async def _mark(self, counts: Counts, outcomes: Sequence[Outcome], lease_ends_at: float) -> Counts:
        completions = [self._completion(outcome) for outcome in outcomes]
        kept = await self._complete(completions, lease_ends_at)
        delivered = retried = dead = lost = 0
        for completion in completions:
            if completion.id not in kept:
                _log.warning("outbox_claim_lost", worker=self._name, entry_id=completion.id)
                lost += 1
            elif completion.outcome == "delivered":
                delivered += 1
            elif completion.final:
                dead += 1
                self._observer.dead_lettered(completion.classification or "")
                self._tell("outbox_entry_dead_lettered", completion)
            else:
                retried += 1
                self._observer.retried(completion.classification or "")
                self._tell("outbox_entry_refused", completion)
        if delivered:
            self._observer.delivered(delivered)
        return replace(
            counts,
            delivered=counts.delivered + delivered,
            retried=counts.retried + retried,
            dead=counts.dead + dead,
            lost=counts.lost + lost,
        )

    async def _complete(self, completions: Sequence[Completion], lease_ends_at: float) -> set[str]:
        failures = 0
        while True:
            try:
                return await self._storage.complete(completions)
            except PostgresUnavailable as error:
                wait = _MARK_AGAIN.wait_seconds(failures)
                if time.monotonic() + wait >= lease_ends_at:
                    raise
                if failures == 0:
                    _log.warning("outbox_mark_delayed", worker=self._name, reason=str(error))
                failures += 1
                await asyncio.sleep(wait)

    def _tell(self, event: str, completion: Completion) -> None:
        _log.warning(
            event,
            worker=self._name,
            entry_id=completion.id,
            last_error_classification=completion.classification,
            error=completion.error,
        )

    def _completion(self, outcome: Outcome) -> Completion:
        claim, lane = outcome.claim, self._lane
        match outcome:
            case Delivered(_, detail):
                return _ended(claim, lane.delivered, "delivered", None, detail or None)
            case Retry(_, classification, error, after, unknown):
                word = "unknown" if unknown else "refused"
                if claim.series_attempt >= self._settings.max_attempts:
                    return _ended(claim, lane.dead, word, classification, error)
                wait = self._ladder.wait(claim.series_attempt) if after is None else after
                ended = _ended(claim, lane.retry, word, classification, error)
                return replace(ended, wait=wait, final=False)
            case Dead(_, classification, error, unknown):
                return _ended(claim, lane.dead, "unknown" if unknown else "dead", classification, error)
            case _:
                assert_never(outcome)


def _ended(
    claim: Claim, state: str, outcome: str, classification: str | None, text: str | None
) -> Completion:
    # Postgres takes no NUL in text, and what the other side says may hold anything.
    kept = text.replace("\x00", "\ufffd")[:_ERROR_TEXT_MAX] if text is not None else None
    return Completion(claim.id, claim.token, state, outcome, classification, kept, timedelta(0), final=True)
