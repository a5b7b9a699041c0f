"""The operator API: five calls for the backend's admin façade."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Query
from fastapi.responses import JSONResponse

from kit.clock import rfc3339
from kit.rest import Page, Paging, Schema, ServiceAuth
from mail.deliveries.model import Attempt, DeadLetter, Delivery, DeliveryState
from mail.deliveries.service import Deliveries

PREFIX = "/api/v1/internal/mail"


class DeliveryBody(Schema):
    """One mail to one address."""

    delivery_id: str
    source: str
    template_id: str
    locale: str
    to: str | None
    user_id: str | None
    state: DeliveryState
    attempts: int
    next_attempt_at: str | None
    created_at: str
    finished_at: str | None
    expires_at: str | None
    last_error_classification: str | None
    last_error: str | None


class AttemptBody(Schema):
    """One try to hand it to the relay."""

    attempt_no: int
    started_at: str
    finished_at: str | None
    outcome: str
    classification: str | None
    detail: str | None


class AttemptsBody(Schema):
    """Every try, oldest first."""

    items: list[AttemptBody]


class DeadLetterBody(Schema):
    """A delivery that was given up at one moment of its life."""

    delivery_id: str
    attempt_no: int
    source: str
    template_id: str
    classification: str
    error: str | None
    dead_at: str
    state: DeliveryState | None


def describe(api: FastAPI, auth: ServiceAuth) -> None:
    """Serve the description of an API at `/openapi.json` to those who may call it."""

    @api.get("/openapi.json", include_in_schema=False, dependencies=[Depends(auth)])
    async def openapi() -> JSONResponse:
        document = api.openapi()
        document["components"]["securitySchemes"] = {"service": {"type": "http", "scheme": "bearer"}}
        for path, calls in document["paths"].items():
            if path.startswith(PREFIX):
                for call in calls.values():
                    call["security"] = [{"service": []}]
        return JSONResponse(document)


def deliveries_router(deliveries: Deliveries, auth: ServiceAuth) -> APIRouter:
    """Build the routes under `/api/v1/internal/mail`."""
    router = APIRouter(prefix=PREFIX, dependencies=[Depends(auth)], tags=["mail"])

    @router.get("/deliveries", summary="List deliveries, newest first")
    async def list_deliveries(
        paging: Annotated[Paging, Depends()], state: Annotated[DeliveryState | None, Query()] = None
    ) -> Page[DeliveryBody]:
        rows, total = await deliveries.list_page(state, paging.page_size, paging.offset)
        return paging.of([_delivery(row) for row in rows], total)

    @router.get("/deliveries/{delivery_id}", summary="Show one delivery")
    async def get_delivery(delivery_id: str) -> DeliveryBody:
        return _delivery(await deliveries.get(delivery_id))

    @router.get("/deliveries/{delivery_id}/attempts", summary="List the attempts of a delivery by number")
    async def list_attempts(delivery_id: str) -> AttemptsBody:
        return AttemptsBody(items=[_attempt(a) for a in await deliveries.list_attempts(delivery_id)])

    @router.post("/deliveries/{delivery_id}/resend", summary="Arm a delivery for another series of attempts")
    async def resend(delivery_id: str) -> DeliveryBody:
        return _delivery(await deliveries.resend(delivery_id))

    @router.get("/dead-letters", summary="List dead letters, newest first")
    async def list_dead_letters(paging: Annotated[Paging, Depends()]) -> Page[DeadLetterBody]:
        rows, total = await deliveries.list_dead_letters(paging.page_size, paging.offset)
        return paging.of([_dead_letter(row) for row in rows], total)

    return router


def _instant(value: datetime | None) -> str | None:
    return rfc3339(value) if value is not None else None


def _delivery(row: Delivery) -> DeliveryBody:
    return DeliveryBody(
        delivery_id=row.delivery_id,
        source=row.source,
        template_id=row.template_id,
        locale=row.locale,
        to=row.to,
        user_id=row.user_id,
        state=row.state,
        attempts=row.attempt_no,
        next_attempt_at=_instant(row.next_at) if row.finished_at is None else None,
        created_at=rfc3339(row.created_at),
        finished_at=_instant(row.finished_at),
        expires_at=_instant(row.expires_at),
        last_error_classification=row.last_error_classification,
        last_error=row.last_error,
    )


def _attempt(row: Attempt) -> AttemptBody:
    return AttemptBody(
        attempt_no=row.attempt_no,
        started_at=rfc3339(row.started_at),
        finished_at=_instant(row.finished_at),
        outcome=row.outcome,
        classification=row.classification,
        detail=row.detail,
    )


def _dead_letter(row: DeadLetter) -> DeadLetterBody:
    return DeadLetterBody(
        delivery_id=row.delivery_id,
        attempt_no=row.attempt_no,
        source=row.source,
        template_id=row.template_id,
        classification=row.classification,
        error=row.error,
        dead_at=rfc3339(row.dead_at),
        state=row.state,
    )
