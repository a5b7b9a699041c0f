"""Deliveries in Postgres; claims are kit.outbox's part of the same table."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from kit.outbox import Claim
from kit.postgres import Connection
from kit.sql import load_queries
from mail.deliveries.model import (
    Attempt,
    DeadLetter,
    Delivery,
    DeliveryState,
    Inserted,
    NewDelivery,
    Outgoing,
    lane_of,
)
from mail.smtp.address import address_hash


class DeliveryStorage:
    """Reads and writes the room's tables; whoever calls opens the transaction."""

    def __init__(self) -> None:
        self._queries = load_queries(__package__)

    async def insert(self, connection: Connection, new: Sequence[NewDelivery]) -> Inserted:
        """Insert deliveries whose key and id are new; record the others as conflicts unless they are plain repeats."""
        first: dict[str, NewDelivery] = {}
        keys: set[tuple[str, str]] = set()
        again: list[NewDelivery] = []
        for delivery in new:
            key = (delivery.source, delivery.idempotency_key)
            if delivery.delivery_id in first or key in keys:
                again.append(delivery)
            else:
                first[delivery.delivery_id] = delivery
                keys.add(key)
        fresh = {
            row["delivery_id"]
            for row in await connection.fetch(
                self._queries["insert_keys"],
                [d.source for d in first.values()],
                [d.idempotency_key for d in first.values()],
                list(first),
                [d.body_hash for d in first.values()],
            )
        }
        again += [delivery for delivery_id, delivery in first.items() if delivery_id not in fresh]
        conflicts = await self._conflicts(connection, again)
        suppressed = await self._insert_fresh(connection, [d for i, d in first.items() if i in fresh])
        return Inserted(
            frozenset(fresh - suppressed), suppressed, len(again) - len(conflicts), len(conflicts)
        )

    async def _insert_fresh(self, connection: Connection, fresh: Sequence[NewDelivery]) -> frozenset[str]:
        if not fresh:
            return frozenset()
        rows = await connection.fetch(
            self._queries["insert_deliveries"],
            [d.delivery_id for d in fresh],
            [lane_of(d.template_id).value for d in fresh],
            [d.source for d in fresh],
            [d.idempotency_key for d in fresh],
            [d.template_id for d in fresh],
            [d.locale for d in fresh],
            [d.to for d in fresh],
            [address_hash(d.to) for d in fresh],
            [d.variables for d in fresh],
            [d.sealed_variables for d in fresh],
            [d.unsubscribe_url for d in fresh],
            [d.user_id for d in fresh],
            [d.expires_at for d in fresh],
            [d.occurred_at for d in fresh],
            [d.request_id for d in fresh],
            [d.trace_id for d in fresh],
        )
        return frozenset(row["id"] for row in rows if row["state"] == DeliveryState.SUPPRESSED)

    async def _conflicts(self, connection: Connection, again: Sequence[NewDelivery]) -> list[NewDelivery]:
        if not again:
            return []
        rows = await connection.fetch(
            self._queries["list_keys"],
            [d.source for d in again],
            [d.idempotency_key for d in again],
            [d.delivery_id for d in again],
        )
        known = {
            (row["source"], row["idempotency_key"], row["delivery_id"], bytes(row["body_hash"]))
            for row in rows
        }
        conflicts = [
            d for d in again if (d.source, d.idempotency_key, d.delivery_id, d.body_hash) not in known
        ]
        if conflicts:
            await connection.execute(
                self._queries["insert_conflicts"],
                [d.source for d in conflicts],
                [d.idempotency_key for d in conflicts],
                [d.delivery_id for d in conflicts],
                [d.body_hash for d in conflicts],
                [d.stream_id for d in conflicts],
            )
        return conflicts

    async def insert_malformed(self, connection: Connection, stream_id: str, raw: bytes, reason: str) -> None:
        """Keep a command that nobody can understand."""
        await connection.execute(self._queries["insert_malformed"], stream_id, raw, reason)

    async def erase_user(self, connection: Connection, user_id: str) -> int:
        """End a user's open deliveries and forget addresses and content; return how many were still open."""
        await connection.execute(self._queries["insert_erased_user"], user_id)
        rows = await connection.fetch(self._queries["erase_user"], user_id)
        return sum(1 for row in rows if row["was_open"])

    async def list_outgoing(
        self, connection: Connection, claims: Sequence[Claim], lease_left: timedelta
    ) -> dict[str, Outgoing]:
        """Return what is needed to send those of one token's claims that are ours for long enough."""
        rows = await connection.fetch(
            self._queries["list_outgoing"], [c.id for c in claims], claims[0].token, lease_left
        )
        return {row["id"]: _outgoing(row) for row in rows}

    async def suppress_claimed(self, connection: Connection, claim: Claim) -> None:
        """End a claimed delivery unsent; no-op when the claim is lost."""
        await connection.execute(self._queries["suppress_claimed"], claim.id, claim.token)

    async def insert_suppression(self, connection: Connection, hashed: str, reason: str) -> None:
        """Stop ordinary mail to an address."""
        await connection.execute(self._queries["insert_suppression"], hashed, reason)

    async def delete_suppression(self, connection: Connection, hashed: str) -> None:
        """Allow mail to an address again."""
        await connection.execute(self._queries["delete_suppression"], hashed)

    async def lock(self, connection: Connection, delivery_id: str) -> tuple[DeliveryState, str, bool] | None:
        """Lock a delivery; return its state, address hash, and whether its code or content is over."""
        row = await connection.fetchrow(self._queries["lock_delivery"], delivery_id)
        return (DeliveryState(row["state"]), row["address_hash"], row["over"]) if row else None

    async def rearm(self, connection: Connection, delivery_id: str) -> None:
        """Begin a new series of attempts."""
        await connection.execute(self._queries["rearm"], delivery_id)

    async def find(self, connection: Connection, delivery_id: str) -> Delivery | None:
        """Return one delivery."""
        row = await connection.fetchrow(self._queries["find_delivery"], delivery_id)
        return _delivery(row) if row else None

    async def list_page(
        self, connection: Connection, state: DeliveryState | None, limit: int, offset: int
    ) -> tuple[list[Delivery], int]:
        """Return deliveries, newest first, and how many there are."""
        rows = await connection.fetch(self._queries["list_deliveries"], state, limit, offset)
        total = await connection.fetchval(self._queries["count_deliveries"], state)
        return [_delivery(row) for row in rows], total

    async def list_attempts(self, connection: Connection, delivery_id: str) -> list[Attempt]:
        """Return a delivery's attempts by number."""
        rows = await connection.fetch(self._queries["list_attempts"], delivery_id)
        return [
            Attempt(
                r["attempt_no"],
                r["started_at"],
                r["finished_at"],
                r["outcome"],
                r["classification"],
                r["error"],
            )
            for r in rows
        ]

    async def list_dead_letters(
        self, connection: Connection, limit: int, offset: int
    ) -> tuple[list[DeadLetter], int]:
        """Return dead letters, newest first, and how many there are."""
        rows = await connection.fetch(self._queries["list_dead_letters"], limit, offset)
        total = await connection.fetchval(self._queries["count_dead_letters"])
        return [
            DeadLetter(**{**dict(row), "state": DeliveryState(row["state"]) if row["state"] else None})
            for row in rows
        ], total

    async def erase_expired(self, connection: Connection, limit: int) -> int:
        """Forget sealed values past their time; return how many."""
        return len(await connection.fetch(self._queries["erase_expired"], limit))

    async def delete_old(
        self, connection: Connection, deliveries: timedelta, malformed: timedelta, limit: int
    ) -> tuple[int, int]:
        """Remove what is older than its retention; return how many deliveries and malformed commands."""
        gone = await connection.fetch(self._queries["delete_old_deliveries"], deliveries, limit)
        bad = await connection.fetch(self._queries["delete_old_malformed"], malformed, limit)
        return len(gone), len(bad)


def _outgoing(row: Any) -> Outgoing:
    return Outgoing(
        delivery_id=row["id"],
        template_id=row["template_id"],
        locale=row["locale"],
        to=row["to_address"],
        variables=row["variables"],
        sealed_variables=row["sealed_variables"],
        unsubscribe_url=row["unsubscribe_url"],
        created_at=row["created_at"],
        address_hash=row["address_hash"],
        expired=row["expired"],
        suppressed=row["suppressed"],
        unknown_outcomes=row["unknown_outcomes"],
        request_id=row["request_id"],
        trace_id=row["trace_id"],
    )


def _delivery(row: Any) -> Delivery:
    return Delivery(
        delivery_id=row["id"],
        source=row["source"],
        template_id=row["template_id"],
        locale=row["locale"],
        to=row["to_address"],
        user_id=row["user_id"],
        state=DeliveryState(row["state"]),
        attempt_no=row["attempt_no"],
        next_at=row["next_at"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        expires_at=row["expires_at"],
        last_error_classification=row["last_error_classification"],
        last_error=row["last_error"],
    )
