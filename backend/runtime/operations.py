"""The operation log: a row before an operation begins, its outcome after it ended."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from backend.leadership.ports import Transactions
from backend.runtime.model import Operation, OperationKind, Outcome
from backend.runtime.storage import RuntimeStorage
from backend.telemetry import GameMetrics
from kit.ids import NewId
from kit.logs import get_logger

_log = get_logger("runtime")


class OperationLog:
    """Writes and lists `runtime_operation_log`."""

    def __init__(
        self, transactions: Transactions, storage: RuntimeStorage, metrics: GameMetrics, new_id: NewId
    ) -> None:
        self._transactions = transactions
        self._storage = storage
        self._metrics = metrics
        self._new_id = new_id

    @asynccontextmanager
    async def record(self, game_id: str, kind: OperationKind, requested_by: str) -> AsyncIterator[str]:
        """Record what is done inside the context, failed if it raises; gives the operation's id.

        A process that ends in between leaves the row open; the next one marks it abandoned.
        """
        operation_id = self._new_id()
        async with self._transactions.write() as connection:
            await self._storage.insert_operation(connection, operation_id, game_id, kind, requested_by)
        error: str | None = None
        outcome = Outcome.FAILED
        try:
            yield operation_id
            outcome = Outcome.SUCCEEDED
        except BaseException as raised:
            error = f"{type(raised).__name__}: {raised}"
            raise
        finally:
            async with self._transactions.write() as connection:
                await self._storage.finish_operation(connection, operation_id, outcome, error)
            self._metrics.operation(kind, outcome)
            _log.info(
                "runtime_operation_finished",
                operation_id=operation_id,
                game_id=game_id,
                kind=kind,
                requested_by=requested_by,
                outcome=outcome,
                error=error,
            )

    async def abandon_open(self) -> int:
        """End the rows that an earlier process left open; return how many."""
        async with self._transactions.write() as connection:
            return await self._storage.abandon_operations(connection)

    async def list(self, game_id: str | None, limit: int, offset: int) -> tuple[list[Operation], int]:
        """Return a page of the log, newest first, and how many rows there are."""
        async with self._transactions.read() as connection:
            return await self._storage.list_operations(connection, game_id, limit, offset)
