"""Runtime records and the operation log in Postgres."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from backend.runtime.model import (
    Desired,
    Operation,
    OperationKind,
    Outcome,
    RuntimeRecord,
    RuntimeStatus,
)
from kit.postgres import Connection
from kit.sql import load_queries


class RuntimeStorage:
    """Rows of `runtime_records` and `runtime_operation_log`."""

    def __init__(self) -> None:
        self._queries = load_queries(__package__)

    async def list_records(self, connection: Connection) -> list[RuntimeRecord]:
        """Return every record."""
        return [_record(row) for row in await connection.fetch(self._queries["list_records"])]

    async def find(self, connection: Connection, game_id: str) -> RuntimeRecord | None:
        """Return a game's record, or None before its first start."""
        row = await connection.fetchrow(self._queries["get_record"], game_id)
        return _record(row) if row else None

    async def want_running(self, connection: Connection, game_id: str, engine_version: str) -> RuntimeRecord:
        """Want a game's engine to run; makes the record the first time."""
        return _record(await connection.fetchrow(self._queries["want_running"], game_id, engine_version))

    async def want_version(self, connection: Connection, game_id: str, engine_version: str) -> RuntimeRecord:
        """Want a game's engine to run in another version."""
        return _record(await connection.fetchrow(self._queries["want_version"], game_id, engine_version))

    async def forget_patches(self, connection: Connection) -> None:
        """Go back to each game's own version where a patch was not finished."""
        await connection.execute(self._queries["forget_patches"])

    async def want_stopped(self, connection: Connection, game_id: str) -> RuntimeRecord | None:
        """Want a game's engine not to run; None where there is no record."""
        row = await connection.fetchrow(self._queries["want_stopped"], game_id)
        return _record(row) if row else None

    async def list_unwanted(self, connection: Connection) -> Sequence[str]:
        """Return the games that need no engine any more and still want one."""
        return [row["game_id"] for row in await connection.fetch(self._queries["list_unwanted"])]

    async def note_starting(self, connection: Connection, game_id: str) -> RuntimeRecord:
        """Note that a start is on its way."""
        return _record(await connection.fetchrow(self._queries["note_starting"], game_id))

    async def note_running(self, connection: Connection, game_id: str, ref: str) -> RuntimeRecord:
        """Note a container that has just become ready."""
        return _record(await connection.fetchrow(self._queries["note_running"], game_id, ref))

    async def note_adopted(self, connection: Connection, game_id: str, ref: str) -> RuntimeRecord:
        """Note a container that was found running."""
        return _record(await connection.fetchrow(self._queries["note_adopted"], game_id, ref))

    async def note_down(
        self,
        connection: Connection,
        game_id: str,
        status: RuntimeStatus,
        detail: str,
        failures: int,
        wait: timedelta,
    ) -> RuntimeRecord:
        """Note a crash or a failed start, and when the next start may be."""
        row = await connection.fetchrow(
            self._queries["note_down"], game_id, status, detail[:500], failures, wait
        )
        return _record(row)

    async def note_stopped(self, connection: Connection, game_id: str, detail: str = "") -> RuntimeRecord:
        """Note that nothing runs, and that nothing is wrong with that."""
        return _record(await connection.fetchrow(self._queries["note_stopped"], game_id, detail))

    async def forget_containers(self, connection: Connection) -> None:
        """Note that all containers ended with the process that had started them."""
        await connection.execute(self._queries["forget_containers"])

    async def set_skip(
        self, connection: Connection, game_id: str, skip_next_tick: bool
    ) -> RuntimeRecord | None:
        """Set or consume the flag that the next cron tick is passed over."""
        row = await connection.fetchrow(self._queries["set_skip"], game_id, skip_next_tick)
        return _record(row) if row else None

    async def insert_operation(
        self, connection: Connection, operation_id: str, game_id: str, kind: OperationKind, requested_by: str
    ) -> None:
        """Begin a row of the operation log."""
        await connection.execute(self._queries["insert_operation"], operation_id, game_id, kind, requested_by)

    async def finish_operation(
        self, connection: Connection, operation_id: str, outcome: Outcome, error: str | None
    ) -> None:
        """End a row of the operation log."""
        await connection.execute(
            self._queries["finish_operation"], operation_id, outcome, error[:2000] if error else None
        )

    async def abandon_operations(self, connection: Connection) -> int:
        """End the rows that a dead process left open; return how many."""
        tag: str = await connection.execute(self._queries["abandon_operations"])
        return int(tag.rpartition(" ")[2])

    async def list_operations(
        self, connection: Connection, game_id: str | None, limit: int, offset: int
    ) -> tuple[list[Operation], int]:
        """Return a page of the log, newest first, and how many rows there are."""
        rows = await connection.fetch(self._queries["list_operations"], game_id, limit, offset)
        return [_operation(row) for row in rows], rows[0]["total"] if rows else 0


def _record(row: Any) -> RuntimeRecord:
    return RuntimeRecord(
        row["game_id"],
        Desired(row["desired"]),
        RuntimeStatus(row["status"]),
        row["detail"],
        row["engine_version"],
        row["container_ref"],
        row["skip_next_tick"],
        row["failures"],
        row["started_at"],
        row["restart_at"],
        row["revision"],
    )


def _operation(row: Any) -> Operation:
    return Operation(
        row["operation_id"],
        row["game_id"],
        OperationKind(row["kind"]),
        row["requested_by"],
        row["started_at"],
        row["finished_at"],
        Outcome(row["outcome"]) if row["outcome"] else None,
        row["error"],
    )
