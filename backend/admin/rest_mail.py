"""Operators and mail: the façade over the mail service, and the dead letters of our own outbox."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from backend.admin.model import Operator, Role
from backend.admin.ports import AuditLog, RequireOperator
from backend.api.fields import IdPath
from backend.leadership.ports import Transactions
from backend.outbox.errors import ResendRefused
from backend.outbox.facade import MailFacade, attempt_json
from backend.outbox.model import Entry, EntryState, LaneName
from backend.outbox.service import DeadLetters
from kit.clock import rfc3339
from kit.rest import Page, Paging, Schema


class DeliveryView(Schema):
    """One mail to one address, wherever it is on its way."""

    delivery_id: str
    source: str
    template_id: str
    locale: str
    to: str | None
    user_id: str | None
    state: str
    attempts: int
    next_attempt_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None
    last_error_classification: str | None
    last_error: str | None


class AttemptView(Schema):
    """One try: `stage` outbox (hand-over to the mail service) or relay (hand-over to SMTP)."""

    stage: str
    attempt_no: int
    started_at: datetime
    finished_at: datetime | None
    outcome: str
    classification: str | None
    detail: str | None


class Attempts(Schema):
    """Every try of a mail."""

    items: list[AttemptView]


class DeadLetterView(Schema):
    """A mail that was given up."""

    delivery_id: str
    attempt_no: int
    source: str
    template_id: str
    classification: str
    error: str | None
    dead_at: datetime
    state: str | None


class EntryView(Schema):
    """A row of the outbox, without its content."""

    entry_id: str
    lane: LaneName
    kind: str
    idempotency_key: str
    state: EntryState
    attempts: int
    next_at: datetime | None
    last_error_classification: str | None
    last_error: str | None
    created_at: datetime
    finished_at: datetime | None


def mail_router(
    facade: MailFacade, transactions: Transactions, audit: AuditLog, require_operator: RequireOperator
) -> APIRouter:
    """Build the five mail calls."""
    router = APIRouter(tags=["mail"], prefix="/mail")
    Viewer = Annotated[Operator, Depends(require_operator(Role.VIEWER))]  # noqa: N806 - a type, named as one
    Acting = Annotated[Operator, Depends(require_operator(Role.OPERATOR))]  # noqa: N806 - as above

    @router.get("/deliveries", response_model=Page[DeliveryView])
    async def list_deliveries(_: Viewer, paging: Annotated[Paging, Depends()]) -> Page[Any]:
        """List mails: those still in the outbox first, then the mail service's, each newest first."""
        items, total = await facade.deliveries(paging.offset, paging.page_size)
        return paging.of(items, total)

    @router.get("/deliveries/{delivery_id}", response_model=DeliveryView)
    async def get_delivery(_: Viewer, delivery_id: IdPath) -> dict[str, Any]:
        """Return one mail."""
        return await facade.delivery(delivery_id)

    @router.get("/deliveries/{delivery_id}/attempts", response_model=Attempts)
    async def list_attempts(_: Viewer, delivery_id: IdPath) -> dict[str, Any]:
        """List every try of a mail, oldest first."""
        return {"items": await facade.attempts(delivery_id)}

    @router.get("/dead-letters", response_model=Page[DeadLetterView])
    async def list_dead_letters(_: Viewer, paging: Annotated[Paging, Depends()]) -> Page[Any]:
        """List mails that were given up: the outbox's first, then the mail service's."""
        items, total = await facade.dead_letters(paging.offset, paging.page_size)
        return paging.of(items, total)

    @router.post("/deliveries/{delivery_id}/resend", response_model=DeliveryView)
    async def resend(operator: Acting, delivery_id: IdPath) -> dict[str, Any]:
        """Arm a mail for another series of attempts; one that was sent is refused."""
        async with transactions.write() as connection:
            own = await facade.resend_own(connection, delivery_id)
            if own is not None:
                await audit.record(connection, operator, "mail.resent", delivery_id, {"stage": "outbox"})
                return own
        # The audit row comes first: a resend that cannot be written down must not happen.
        async with transactions.write() as connection:
            await audit.record(connection, operator, "mail.resend_asked", delivery_id, {"stage": "relay"})
        try:
            return await facade.resend_at_service(delivery_id)
        except ResendRefused as refused:
            async with transactions.write() as connection:
                await audit.record(connection, operator, "mail.resend_refused", delivery_id, refused.details)
            raise

    return router


def outbox_router(
    dead_letters: DeadLetters,
    transactions: Transactions,
    audit: AuditLog,
    require_operator: RequireOperator,
) -> APIRouter:
    """Build the calls about our own outbox."""
    router = APIRouter(tags=["outbox"], prefix="/outbox")
    Viewer = Annotated[Operator, Depends(require_operator(Role.VIEWER))]  # noqa: N806 - a type, named as one
    Acting = Annotated[Operator, Depends(require_operator(Role.OPERATOR))]  # noqa: N806 - as above

    @router.get("/dead-letters", response_model=Page[EntryView])
    async def list_dead_letters(_: Viewer, paging: Annotated[Paging, Depends()]) -> Page[Any]:
        """List intents and mail commands that Redis refused until their attempts ran out, newest first."""
        entries, total = await dead_letters.newest(paging.page_size, paging.offset)
        return paging.of([_entry_json(entry) for entry in entries], total)

    @router.get("/{entry_id}/attempts", response_model=Attempts)
    async def list_attempts(_: Viewer, entry_id: IdPath) -> dict[str, Any]:
        """List every try to hand an entry over, oldest first."""
        return {"items": [attempt_json(attempt) for attempt in await dead_letters.attempts(entry_id)]}

    @router.post("/{entry_id}/rearm", response_model=EntryView)
    async def rearm(operator: Acting, entry_id: IdPath) -> dict[str, Any]:
        """Begin a new series of attempts of a dead letter; attempt numbers go on."""
        async with transactions.write() as connection:
            entry = await dead_letters.rearm(connection, entry_id)
            await audit.record(connection, operator, "outbox.rearmed", entry_id, {"kind": entry.kind})
        return _entry_json(entry)

    return router


def _entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "entry_id": entry.id,
        "lane": entry.lane.value,
        "kind": entry.kind,
        "idempotency_key": entry.idempotency_key,
        "state": entry.state.value,
        "attempts": entry.attempt_no,
        "next_at": rfc3339(entry.next_at) if entry.finished_at is None else None,
        "last_error_classification": entry.last_error_classification,
        "last_error": entry.last_error,
        "created_at": rfc3339(entry.created_at),
        "finished_at": rfc3339(entry.finished_at) if entry.finished_at else None,
    }
