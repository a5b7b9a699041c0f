"""The audit log: every mutation by an operator is a row of the mutation's own transaction."""

from collections.abc import Mapping
from typing import Any

import structlog

from backend.admin import storage
from backend.admin.model import AuditRecord, Operator
from backend.leadership.ports import Transactions
from kit.clock import Clock
from kit.ids import NewId
from kit.postgres import Connection


class StoredAuditLog:
    """The table `audit_log`."""

    def __init__(self, transactions: Transactions, clock: Clock, new_id: NewId) -> None:
        self._transactions = transactions
        self._clock = clock
        self._new_id = new_id

    async def record(
        self,
        connection: Connection,
        operator: Operator,
        action: str,
        target: str,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Write who did what to which thing."""
        request_id = str(structlog.contextvars.get_contextvars().get("request_id", ""))
        await storage.insert_audit(
            connection,
            self._new_id(),
            operator,
            action,
            target,
            details or {},
            request_id,
            self._clock.now(),
        )

    async def newest(self, limit: int, offset: int) -> tuple[list[AuditRecord], int]:
        """Return records, newest first, and how many there are in all."""
        async with self._transactions.read() as connection:
            return await storage.list_audit(connection, limit, offset)
