"""A worker's part of a delivery: open what is sealed, render, send, and judge what came of it."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import orjson

from kit.faults import Faults
from kit.logs import get_logger
from kit.outbox import Claim, Dead, Delivered, LaneStorage, Outcome, Retry
from kit.postgres import Database, PostgresUnavailable
from kit.sealing import SealRing, UnsealError
from mail.deliveries.model import UNKNOWN_RETRIES_MAX, Outgoing
from mail.deliveries.ports import Observer, Post, Renderer
from mail.deliveries.storage import DeliveryStorage
from mail.smtp.message import Letter, build_message
from mail.smtp.model import Accepted, LaneTimeouts, NotSent, Refused, SendResult, Unknown
from mail.templates.errors import TemplateRefusal

_log = get_logger("deliveries")
_LEASE_CHECK_SECONDS = 1.0
_MARGIN = timedelta(seconds=1)
AFTER_250 = "mail.after_250"
"""Fault point: the relay has said 250, the delivery is not marked yet."""


class MailTransport:
    """Sends claimed deliveries of one lane, several at once, and reports each as soon as it is known.

    A sender begins its next mail only when the last one is marked. So at any moment no more mails are with the relay and not
    yet on record than there are senders: that is the most a kill can repeat.
    """

    def __init__(
        self,
        database: Database,
        storage: DeliveryStorage,
        claims: LaneStorage,
        renderer: Renderer,
        post: Post,
        sender: str,
        timeouts: LaneTimeouts,
        seal: SealRing,
        observer: Observer,
        faults: Faults,
        concurrency: int,
    ) -> None:
        self._database = database
        self._storage = storage
        self._claims = claims
        self._renderer = renderer
        self._post = post
        self._sender = sender
        self._timeouts = timeouts
        self._seal = seal
        self._observer = observer
        self._faults = faults
        self._concurrency = concurrency
        self._stopping = False

    def begin_nothing_new(self) -> None:
        """Finish the sends in flight and give the rest of the batch back."""
        self._stopping = True

    async def deliver(  # noqa: PLR0912, PLR0915 - one life of a batch; its ends must be read together
        self, claims: Sequence[Claim]
    ) -> AsyncIterator[Sequence[Outcome]]:
        """Send claimed deliveries; yield their outcomes as they come.

        When one sender fails the others begin nothing new but finish the mail in hand, and the failure is raised only after
        their outcomes: a mail that may be with the relay is never given back as untried. Raises PostgresUnavailable.
        """
        lease = _LeaseWatch(self._claims, claims, self._timeouts.send_deadline + _MARGIN)
        async with self._database.connection() as connection:
            outgoing = await self._storage.list_outgoing(connection, claims, lease.needed)
        waiting = deque(claim for claim in claims if claim.id in outgoing)
        begun: dict[str, Claim] = {}
        results: asyncio.Queue[tuple[Outcome, asyncio.Event] | None] = asyncio.Queue()
        failed = False

        async def send_waiting() -> None:
            nonlocal failed
            try:
                while waiting and not self._stopping and not failed:
                    claim = waiting.popleft()
                    if not await lease.holds(claim) or failed:
                        continue
                    outcome = await self._one(claim, outgoing[claim.id], begun)
                    if outcome is not None:
                        marked = asyncio.Event()
                        results.put_nowait((outcome, marked))
                        begun.pop(claim.id, None)
                        await marked.wait()
            except BaseException:
                failed = True
                raise

        senders = [asyncio.ensure_future(send_waiting()) for _ in range(min(self._concurrency, len(waiting)))]
        everything = asyncio.gather(*senders, return_exceptions=True)
        everything.add_done_callback(lambda _: results.put_nowait(None))
        cut_off: asyncio.CancelledError | None = None
        try:
            running = bool(senders)
            while running:
                group: list[tuple[Outcome, asyncio.Event]] = []
                try:
                    item = await results.get()
                except asyncio.CancelledError as error:
                    # The budget of the shutdown is spent: no time to wait for replies, but time to say what was begun.
                    cut_off = error
                    for sender in senders:
                        sender.cancel()
                    continue
                while True:
                    if item is None:
                        running = False
                    else:
                        group.append(item)
                    if results.empty():
                        break
                    item = results.get_nowait()
                if group:
                    yield [outcome for outcome, _ in group]
                for _, marked in group:
                    marked.set()
            if begun:
                yield [self._cut_off(claim, outgoing[claim.id]) for claim in begun.values()]
            if cut_off is not None:
                raise cut_off
            for ended in await everything:
                if ended is not None:
                    raise ended
        finally:
            for sender in senders:
                sender.cancel()
            await asyncio.gather(*senders, return_exceptions=True)

    def _cut_off(self, claim: Claim, outgoing: Outgoing) -> Outcome:
        _log.warning("delivery_cut_off", delivery_id=claim.id, attempt_no=claim.attempt_no)
        return self._judge(claim, outgoing, Unknown("the sender ended before the relay had answered"))

    async def _one(self, claim: Claim, outgoing: Outgoing, begun: dict[str, Claim]) -> Outcome | None:
        if outgoing.suppressed:
            async with self._database.transaction() as connection:
                await self._storage.suppress_claimed(connection, claim)
            self._observer.suppressed()
            _log.info("delivery_suppressed", delivery_id=claim.id, template_id=outgoing.template_id)
            return None
        if outgoing.expired:
            return Dead(claim, "expired", "its time ran out before the relay took it over")
        try:
            message = self._message(outgoing)
        except TemplateRefusal as refusal:
            return Dead(claim, "template_failed", str(refusal))
        except UnsealError as error:
            return Dead(claim, "variables_unsealable", str(error))
        begun[claim.id] = claim
        began = time.perf_counter()
        result = await self._post.send(outgoing.to, message)
        took = time.perf_counter() - began
        self._observer.took(took)
        if isinstance(result, Accepted):
            await self._faults.reach(AFTER_250)
        elif isinstance(result, Refused) and result.unknown_mailbox:
            await self._suppress(claim, outgoing)
        outcome = self._judge(claim, outgoing, result)
        _log.info(
            "delivery_attempted",
            delivery_id=claim.id,
            attempt_no=claim.attempt_no,
            template_id=outgoing.template_id,
            outcome=type(outcome).__name__.lower(),
            duration_ms=round(took * 1000, 1),
            request_id=outgoing.request_id,
            trace_id=outgoing.trace_id,
        )
        return outcome

    async def _suppress(self, claim: Claim, outgoing: Outgoing) -> None:
        try:
            async with self._database.transaction() as connection:
                await self._storage.insert_suppression(connection, outgoing.address_hash, "unknown_mailbox")
        except PostgresUnavailable as error:
            # The outcome of the send matters more and is marked with patience; the next mail to this address is refused
            # in the same way and tries the suppression again.
            _log.warning("suppression_not_written", delivery_id=claim.id, reason=str(error))

    def _message(self, outgoing: Outgoing) -> bytes:
        if outgoing.sealed_variables is not None:
            opened = orjson.loads(self._seal.open(outgoing.sealed_variables, bound_to=outgoing.delivery_id))
            variables = opened if isinstance(opened, dict) else {}
        else:
            variables = dict(outgoing.variables or {})
        rendered = self._renderer.render(
            outgoing.template_id,
            outgoing.locale,
            variables,
            outgoing.unsubscribe_url,
            secret=outgoing.sealed_variables is not None,
        )
        letter = Letter(
            delivery_id=outgoing.delivery_id,
            to=outgoing.to,
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
            locale=rendered.locale,
            date=outgoing.created_at,
            unsubscribe_url=outgoing.unsubscribe_url,
            secret=outgoing.sealed_variables is not None,
        )
        return build_message(letter, self._sender)

    def _judge(self, claim: Claim, outgoing: Outgoing, result: SendResult) -> Outcome:
        match result:
            case Accepted(reply):
                return Delivered(claim, reply)
            case Refused(stage, code, reply) if result.permanent:
                return Dead(claim, "smtp_refused_for_ever", f"{stage}: {code} {reply}")
            case Refused(stage, code, reply):
                return Retry(claim, "smtp_refused_for_now", f"{stage}: {code} {reply}")
            case NotSent(classification, error):
                return Retry(claim, classification, error)
            case Unknown(error):
                if outgoing.unknown_outcomes >= UNKNOWN_RETRIES_MAX:
                    return Dead(claim, "outcome_unknown", error, unknown=True)
                return Retry(claim, "outcome_unknown", error, after=self._timeouts.unknown_wait, unknown=True)


class _LeaseWatch:
    """Knows which claims of a batch may still be sent: their lease outlasts the longest send.

    Asking Postgres before every single send would cost as much as the send, so an answer counts for a second; after a stop
    of the process (SIGSTOP, a suspended machine) it is older than that and asked for again.
    """

    def __init__(self, storage: LaneStorage, claims: Sequence[Claim], needed: timedelta) -> None:
        self.needed = needed
        self._storage = storage
        self._claims = claims
        self._ours: set[str] | None = None
        self._asked_at = time.monotonic()
        self._lock = asyncio.Lock()

    async def holds(self, claim: Claim) -> bool:
        """Tell whether this claim may be sent now. Raises PostgresUnavailable."""
        if time.monotonic() - self._asked_at > _LEASE_CHECK_SECONDS:
            async with self._lock:
                if time.monotonic() - self._asked_at > _LEASE_CHECK_SECONDS:
                    asked_at = time.monotonic()
                    self._ours = await self._storage.still_ours(self._claims, self.needed)
                    self._asked_at = asked_at
        return self._ours is None or claim.id in self._ours
