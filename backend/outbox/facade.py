"""Mail as operators see it: the mail service's deliveries, joined with what still waits or died in our own outbox.

A mail has one `delivery_id` on its whole way. Until the mail service has read it, it shows as `pending` or
`dead_lettered` from the outbox; from then on as whatever the service says.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from backend.leadership.ports import Transactions
from backend.outbox import storage
from backend.outbox.errors import DeliveryNotFound, MailServiceAway, ResendRefused
from backend.outbox.model import Attempt, Entry, EntryState, LaneName
from backend.outbox.service import DeadLetters
from kit.clock import rfc3339
from kit.logs import get_logger
from kit.postgres import Connection
from kit.rest_client import Answer, PeerUnavailable, RestClient

_log = get_logger("mail_facade")
_BASE = "/api/v1/internal/mail"
_OWN_STATES = (EntryState.PENDING, EntryState.DEAD_LETTERED)


class MailFacade:
    """The five mail calls of the admin API."""

    def __init__(
        self,
        transactions: Transactions,
        dead_letters: DeadLetters,
        mail: RestClient | None,
        mail_delayed_after: timedelta,
    ) -> None:
        """`mail` None: no mail service is configured, the outbox is all there is to see."""
        self._transactions = transactions
        self._dead_letters = dead_letters
        self._mail = mail
        self._delayed_after = mail_delayed_after

    async def deliveries(self, offset: int, page_size: int) -> tuple[list[dict[str, Any]], int]:
        """Return one page of deliveries, ours first, each part newest first, and how many there are in all."""
        async with self._transactions.read() as connection:
            own, own_total = await storage.list_mail(connection, _OWN_STATES, page_size, offset)
        items = [delivery_json(entry) for entry in own]
        return await self._joined("/deliveries", items, own_total, offset, page_size)

    async def dead_letters(self, offset: int, page_size: int) -> tuple[list[dict[str, Any]], int]:
        """Return one page of dead letters, ours first, and how many there are in all."""
        async with self._transactions.read() as connection:
            own, own_total = await storage.list_mail(
                connection, [EntryState.DEAD_LETTERED], page_size, offset
            )
        items = [dead_letter_json(entry) for entry in own]
        return await self._joined("/dead-letters", items, own_total, offset, page_size)

    async def delivery(self, delivery_id: str) -> dict[str, Any]:
        """Return one delivery. Raises DeliveryNotFound."""
        entry = await self._own(delivery_id)
        if entry is not None and entry.state is not EntryState.PUBLISHED:
            return delivery_json(entry)
        answer = await self._ask("GET", f"/deliveries/{delivery_id}", missing_is_fine=entry is not None)
        if answer is None:  # handed over, and the mail service has not read it yet
            assert entry is not None
            return delivery_json(entry)
        return dict(answer.json())

    async def attempts(self, delivery_id: str) -> list[dict[str, Any]]:
        """Return the attempts of a delivery, oldest first: hand-overs of the outbox, then the mail service's.

        `stage` tells them apart; `attempt_no` only grows within each. Raises DeliveryNotFound.
        """
        entry = await self._own(delivery_id)
        found: list[dict[str, Any]] = []
        if entry is not None:
            async with self._transactions.read() as connection:
                own = await storage.list_attempts(connection, delivery_id)
            found = [attempt_json(attempt) for attempt in own]
            if entry.state is not EntryState.PUBLISHED:
                return found
        answer = await self._ask(
            "GET", f"/deliveries/{delivery_id}/attempts", missing_is_fine=entry is not None
        )
        rest: Sequence[dict[str, Any]] = answer.json()["items"] if answer is not None else ()
        return [*found, *({"stage": "relay", **attempt} for attempt in rest)]

    async def resend_own(self, connection: Connection, delivery_id: str) -> dict[str, Any] | None:
        """Arm a delivery that is still ours, inside the caller's transaction; None where the mail service has it.

        Raises EntryOver for a code that has run out.
        """
        entry = await storage.find(connection, delivery_id, lock=True)
        if entry is None or entry.lane is not LaneName.MAIL or entry.state is EntryState.PUBLISHED:
            return None
        if entry.state is EntryState.DEAD_LETTERED:
            return delivery_json(await self._dead_letters.rearm(connection, delivery_id))
        await storage.hasten(connection, entry)
        return delivery_json(entry)

    async def resend_at_service(self, delivery_id: str) -> dict[str, Any]:
        """Have the mail service arm a delivery. Raises DeliveryNotFound, ResendRefused and MailServiceAway."""
        answer = await self._ask("POST", f"/deliveries/{delivery_id}/resend")
        assert answer is not None
        return dict(answer.json())

    async def codes_delayed(self, now: datetime) -> bool:
        """Tell whether sign-in codes are stuck at the mail service: refused for now, or waiting for too long."""
        if self._mail is None:
            return False
        try:
            for state in ("retrying", "pending"):
                answer = await self._mail.call(
                    "GET",
                    f"{_BASE}/deliveries",
                    query={"state": state, "page_size": "50"},
                    timeout=timedelta(seconds=1),
                )
                waiting = answer.json()["items"] if answer.ok else []
                if any(self._late(item, now, state) for item in waiting):
                    return True
        except PeerUnavailable as error:
            _log.warning("mail_service_away", reason=str(error))
            return True
        return False

    def _late(self, item: dict[str, Any], now: datetime, state: str) -> bool:
        if item["template_id"] != "auth.sign_in_code":
            return False
        if item["expires_at"] is not None and datetime.fromisoformat(item["expires_at"]) <= now:
            return False
        return state == "retrying" or now - datetime.fromisoformat(item["created_at"]) > self._delayed_after

    async def _own(self, delivery_id: str) -> Entry | None:
        async with self._transactions.read() as connection:
            entry = await storage.find(connection, delivery_id)
        return entry if entry is not None and entry.lane is LaneName.MAIL else None

    async def _joined(
        self, path: str, own: list[dict[str, Any]], own_total: int, offset: int, page_size: int
    ) -> tuple[list[dict[str, Any]], int]:
        """Fill a page that begins with our rows up from the service's list, which has pages of its own."""
        if self._mail is None:
            return own, own_total
        first = max(0, offset - own_total)
        page = first // page_size + 1
        theirs, their_total = await self._page(path, page, page_size)
        skipped = first - (page - 1) * page_size
        if skipped + page_size - len(own) > page_size and their_total > page * page_size:
            theirs += (await self._page(path, page + 1, page_size))[0]
        wanted = theirs[skipped : skipped + page_size - len(own)]
        return [*own, *wanted], own_total + their_total

    async def _page(self, path: str, page: int, page_size: int) -> tuple[list[dict[str, Any]], int]:
        answer = await self._ask("GET", path, query={"page": str(page), "page_size": str(page_size)})
        assert answer is not None
        body = answer.json()
        return list(body["items"]), int(body["total"])

    async def _ask(
        self, method: str, path: str, *, query: dict[str, str] | None = None, missing_is_fine: bool = False
    ) -> Answer | None:
        if self._mail is None:
            if missing_is_fine:
                return None
            raise DeliveryNotFound
        try:
            answer = await self._mail.call(method, _BASE + path, query=query)
        except PeerUnavailable as error:
            _log.warning("mail_service_away", reason=str(error))
            raise MailServiceAway(retry_after_seconds=5) from error
        if answer.ok:
            return answer
        if answer.status in {404, 422}:
            if missing_is_fine:
                return None
            raise DeliveryNotFound
        if answer.status == 409:
            raise ResendRefused(reason=answer.error_code)
        _log.error("mail_service_refused", path=path, status=answer.status, code=answer.error_code)
        raise MailServiceAway(status=answer.status, code=answer.error_code)


def delivery_json(entry: Entry) -> dict[str, Any]:
    """Write an outbox row as the mail service writes its deliveries."""
    fields = entry.fields
    return {
        "delivery_id": entry.id,
        "source": "backend",
        "template_id": entry.kind,
        "locale": fields.get("locale") or "en",
        "to": fields.get("to") or None,
        "user_id": fields.get("user_id") or None,
        "state": "pending" if entry.state is EntryState.PUBLISHED else entry.state.value,
        "attempts": entry.attempt_no,
        "next_attempt_at": rfc3339(entry.next_at) if entry.finished_at is None else None,
        "created_at": rfc3339(entry.created_at),
        "finished_at": _dead_at(entry),
        "expires_at": rfc3339(entry.expires_at) if entry.expires_at else None,
        "last_error_classification": entry.last_error_classification,
        "last_error": entry.last_error,
    }


def dead_letter_json(entry: Entry) -> dict[str, Any]:
    """Write a dead outbox row as the mail service writes its dead letters."""
    return {
        "delivery_id": entry.id,
        "attempt_no": entry.attempt_no,
        "source": "backend",
        "template_id": entry.kind,
        "classification": entry.last_error_classification or "",
        "error": entry.last_error,
        "dead_at": _dead_at(entry) or rfc3339(entry.created_at),
        "state": entry.state.value,
    }


def attempt_json(attempt: Attempt) -> dict[str, Any]:
    """Write a hand-over as the mail service writes its attempts."""
    return {
        "stage": "outbox",
        "attempt_no": attempt.attempt_no,
        "started_at": rfc3339(attempt.started_at),
        "finished_at": rfc3339(attempt.finished_at) if attempt.finished_at else None,
        "outcome": attempt.outcome,
        "classification": attempt.classification,
        "detail": attempt.error,
    }


def _dead_at(entry: Entry) -> str | None:
    dead = entry.state is EntryState.DEAD_LETTERED and entry.finished_at is not None
    return rfc3339(entry.finished_at) if dead and entry.finished_at else None
