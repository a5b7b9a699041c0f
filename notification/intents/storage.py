"""Records and keys in Postgres."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from kit.ids import NewId, uuid7
from kit.postgres import Connection
from kit.sql import load_queries
from notification.intents.model import Intent


@dataclass(frozen=True)
class Accepted:
    """What became of a batch of intents."""

    new: dict[str, Intent]
    """Record id → intent, for those never seen before."""
    repeated: int
    conflicts: Sequence[Intent]


class IntentStorage:
    """Reads and writes the room's tables; whoever calls opens the transaction."""

    def __init__(self, new_id: NewId = uuid7) -> None:
        self._queries = load_queries(__package__)
        self._new_id = new_id

    async def accept(self, connection: Connection, intents: Sequence[Intent]) -> Accepted:
        """Insert a record for each intent never seen before; record those with another body as conflicts."""
        first: dict[tuple[str, str, str], tuple[str, Intent]] = {}
        again: list[Intent] = []
        for intent in intents:
            if intent.key in first:
                again.append(intent)
            else:
                first[intent.key] = (self._new_id(), intent)
        listed = list(first.values())
        rows = await connection.fetch(
            self._queries["insert_keys"],
            [i.producer for _, i in listed],
            [i.kind.name for _, i in listed],
            [i.idempotency_key for _, i in listed],
            [record_id for record_id, _ in listed],
            [i.body_hash for _, i in listed],
        )
        fresh = {row["record_id"] for row in rows}
        new = {record_id: intent for record_id, intent in listed if record_id in fresh}
        again += [intent for record_id, intent in listed if record_id not in fresh]
        conflicts = await self._conflicts(connection, again)
        await self._insert_records(connection, new)
        return Accepted(new, len(again) - len(conflicts), conflicts)

    async def _insert_records(self, connection: Connection, new: dict[str, Intent]) -> None:
        if not new:
            return
        intents = list(new.values())
        await connection.execute(
            self._queries["insert_records"],
            list(new),
            [i.producer for i in intents],
            [i.kind.name for i in intents],
            [i.idempotency_key for i in intents],
            [i.kind.audience.value for i in intents],
            [orjson.dumps(i.recipient_user_ids).decode() for i in intents],
            [i.payload for i in intents],
            [i.occurred_at for i in intents],
            [i.stream_id for i in intents],
            [i.request_id for i in intents],
            [i.trace_id for i in intents],
        )

    async def _conflicts(self, connection: Connection, again: Sequence[Intent]) -> list[Intent]:
        if not again:
            return []
        rows = await connection.fetch(
            self._queries["list_keys"],
            [i.producer for i in again],
            [i.kind.name for i in again],
            [i.idempotency_key for i in again],
        )
        known = {
            (row["producer"], row["notification_type"], row["idempotency_key"]): bytes(row["body_hash"])
            for row in rows
        }
        conflicts = [intent for intent in again if known[intent.key] != intent.body_hash]
        if conflicts:
            await connection.execute(
                self._queries["insert_conflicts"],
                [i.producer for i in conflicts],
                [i.kind.name for i in conflicts],
                [i.idempotency_key for i in conflicts],
                [i.body_hash for i in conflicts],
                [i.stream_id for i in conflicts],
            )
        return conflicts

    async def insert_malformed(
        self,
        connection: Connection,
        stream_id: str,
        raw: bytes,
        reason: str,
        notification_type: str | None,
        producer: str | None,
    ) -> None:
        """Keep an intent that nobody can understand."""
        await connection.execute(
            self._queries["insert_malformed"], stream_id, raw, reason, notification_type, producer
        )
