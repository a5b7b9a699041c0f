"""Adding entries, and what operators may do with those that died."""

from collections.abc import Mapping
from typing import Any

import orjson
import structlog

from backend.leadership.ports import Transactions
from backend.outbox import storage
from backend.outbox.errors import EntryNotDead, EntryNotFound, EntryOver
from backend.outbox.model import (
    Attempt,
    Entry,
    EntryState,
    Intent,
    LaneName,
    MailCommand,
    MailKind,
    SessionEvent,
)
from kit.clock import Clock, rfc3339
from kit.ids import NewId
from kit.postgres import Connection
from kit.sealing import SealRing
from kit.telemetry import current_trace_id

INTENTS_STREAM = "notification:intents"
MAIL_STREAM = "mail:delivery_commands"
_PRODUCER = "backend"


class RecordingOutbox:
    """Writes entries as they will stand in their stream, so that the worker only hands them over."""

    def __init__(self, clock: Clock, new_id: NewId, seals: SealRing, session_events_stream: str) -> None:
        """`session_events_stream` empty: session events are not recorded."""
        self._clock = clock
        self._new_id = new_id
        self._seals = seals
        self._session_events_stream = session_events_stream

    async def add_intent(self, connection: Connection, intent: Intent) -> bool:
        """Record an intent; tell whether it is new."""
        fields = {
            "notification_type": intent.notification_type,
            "producer": _PRODUCER,
            "audience_kind": intent.audience_kind.value,
            "recipient_user_ids": _json(list(intent.recipient_user_ids)),
            "idempotency_key": intent.idempotency_key,
            "occurred_at": rfc3339(intent.occurred_at or self._clock.now()),
            "payload_json": _json(intent.payload),
            **_cause(),
        }
        return await storage.insert(
            connection,
            self._new_id(),
            LaneName.INTENT,
            intent.notification_type,
            intent.idempotency_key,
            INTENTS_STREAM,
            fields,
        )

    async def add_mail(self, connection: Connection, command: MailCommand) -> bool:
        """Record a mail command; tell whether it is new."""
        variables = orjson.dumps(command.variables)
        fields = {
            "kind": command.kind.value,
            "delivery_id": command.delivery_id,
            "source": _PRODUCER,
            "template_id": command.template_id,
            "locale": command.locale,
            "to": command.to,
            "variables_json": self._seals.seal(variables, command.delivery_id)
            if command.sealed
            else variables.decode(),
            "sealed": "1" if command.sealed else "",
            "unsubscribe_url": "",
            "user_id": command.user_id,
            "expires_at": rfc3339(command.expires_at) if command.expires_at else "",
            "idempotency_key": command.idempotency_key,
            "occurred_at": rfc3339(self._clock.now()),
            **_cause(),
        }
        kind = command.template_id if command.kind is MailKind.SEND else "mail.erase"
        return await storage.insert(
            connection,
            command.delivery_id,
            LaneName.MAIL,
            kind,
            command.idempotency_key,
            MAIL_STREAM,
            fields,
            sealed=command.sealed,
            expires_at=command.expires_at,
        )

    async def add_session_event(self, connection: Connection, event: SessionEvent) -> None:
        """Record a session's state where a session stream is configured."""
        if not self._session_events_stream:
            return
        await storage.insert(
            connection,
            self._new_id(),
            LaneName.INTENT,
            "session.event",
            f"{event.device_session_id}:{event.version}",
            self._session_events_stream,
            {
                "device_session_id": event.device_session_id,
                "user_id": event.user_id,
                "status": event.status,
                "revoked_at": rfc3339(event.revoked_at) if event.revoked_at else "",
            },
        )


class DeadLetters:
    """Entries that Redis refused until their attempts ran out."""

    def __init__(self, transactions: Transactions, clock: Clock) -> None:
        self._transactions = transactions
        self._clock = clock

    async def newest(self, limit: int, offset: int) -> tuple[list[Entry], int]:
        """Return dead letters, newest first, and how many there are in all."""
        async with self._transactions.read() as connection:
            return await storage.list_dead(connection, limit, offset)

    async def attempts(self, entry_id: str) -> list[Attempt]:
        """Return the history of one entry. Raises EntryNotFound."""
        async with self._transactions.read() as connection:
            if await storage.find(connection, entry_id) is None:
                raise EntryNotFound
            return await storage.list_attempts(connection, entry_id)

    async def rearm(self, connection: Connection, entry_id: str) -> Entry:
        """Begin a new series of attempts inside the caller's transaction; attempt numbers go on.

        Raises EntryNotFound, EntryNotDead, and EntryOver where the entry has run out or its sealed content is erased.
        """
        entry = await storage.find(connection, entry_id, lock=True)
        if entry is None:
            raise EntryNotFound
        if entry.state is not EntryState.DEAD_LETTERED:
            raise EntryNotDead(state=entry.state.value)
        expired = entry.expires_at is not None and entry.expires_at <= self._clock.now()
        if expired or entry.sealed:
            raise EntryOver
        await storage.rearm(connection, entry)
        armed = await storage.find(connection, entry_id)
        assert armed is not None
        return armed


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _cause() -> Mapping[str, str]:
    bound = structlog.contextvars.get_contextvars()
    return {"request_id": str(bound.get("request_id", "")), "trace_id": current_trace_id()}
