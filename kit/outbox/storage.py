"""The claims of one lane in Postgres."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from kit.ids import NewId, uuid7
from kit.outbox.model import Claim, Completions, Lane
from kit.postgres import Database
from kit.sql import load_queries

_FROM_THE_BEGINNING = (datetime(1970, 1, 1, tzinfo=UTC), str(UUID(int=0)))
_MARK_SECONDS_MAX = 1.0


class LaneStorage:
    """Claims, completions and releases, each a single statement and thereby a transaction of its own.

    A low-water mark (next_at, id) keeps claims from stepping over rows that are finished but not yet vacuumed, which under a
    held snapshot would slow every claim down. Entries may be armed behind the mark, so it is dropped each second, whenever a
    claim brings less than was asked for, and on every release.
    """

    def __init__(
        self,
        database: Database,
        lane: Lane,
        new_id: NewId = uuid7,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._lane = lane
        self._new_id = new_id
        self._monotonic = monotonic
        self._queries = load_queries(__package__, table=lane.table)
        self._low = _FROM_THE_BEGINNING
        self._marked_at = monotonic()

    def forget_low_mark(self) -> None:
        """Look at the whole table again at the next claim."""
        self._low = _FROM_THE_BEGINNING

    async def claim(self, batch: int, lease: timedelta) -> list[Claim]:
        """Claim up to `batch` due entries, oldest first, under one fresh token. Raises PostgresUnavailable."""
        if self._monotonic() - self._marked_at > _MARK_SECONDS_MAX:
            self.forget_low_mark()
        if self._low == _FROM_THE_BEGINNING:
            self._marked_at = self._monotonic()
        claims = await self._claim_above_mark(batch, lease)
        if not claims and self._low != _FROM_THE_BEGINNING:
            self.forget_low_mark()
            claims = await self._claim_above_mark(batch, lease)
        if len(claims) < batch:
            self.forget_low_mark()
        return claims

    async def _claim_above_mark(self, batch: int, lease: timedelta) -> list[Claim]:
        token = self._new_id()
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                self._queries["claim"],
                list(self._lane.waiting),
                self._lane.leased,
                batch,
                lease,
                token,
                self._lane.partition,
                *self._low,
            )
        if rows:
            self._low = (rows[-1]["next_at"], rows[-1]["id"])
        return [Claim(r["id"], token, r["attempt_no"], r["series_attempt"], r["created_at"]) for r in rows]

    async def complete(self, completions: Completions) -> set[str]:
        """End attempts, each under its own token; return the ids that were still ours. Raises PostgresUnavailable.

        An id may stand there once only, so that the answer is clear.
        """
        if not completions:
            return set()
        # One text rather than eight arrays, which the driver encodes element by element.
        told = [
            {
                "id": c.id,
                "token": c.token,
                "state": c.state,
                "outcome": c.outcome,
                "classification": c.classification,
                "error": c.error,
                "wait_seconds": c.wait.total_seconds(),
                "final": c.final,
            }
            for c in completions
        ]
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._queries["complete"], told)
        return {r["id"] for r in rows}

    async def release(self, claims: Sequence[Claim]) -> set[str]:
        """Give claims of one token back as if they had never been made. Raises PostgresUnavailable."""
        if not claims:
            return set()
        self.forget_low_mark()
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                self._queries["release"],
                [c.id for c in claims],
                claims[0].token,
                self._lane.waiting[0],
                self._lane.retry,
            )
        return {r["id"] for r in rows}

    async def still_ours(self, claims: Sequence[Claim], margin: timedelta) -> set[str]:
        """Return the ids of one token's claims whose lease lasts longer than `margin`. Raises PostgresUnavailable."""
        if not claims:
            return set()
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                self._queries["still_ours"], [c.id for c in claims], claims[0].token, margin
            )
        return {r["id"] for r in rows}

    async def depth(self) -> tuple[int, int]:
        """Return how many entries wait and the age of the oldest in milliseconds. Raises PostgresUnavailable."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(self._queries["depth"], self._lane.partition)
        assert row is not None
        return row["depth"], row["oldest_age_ms"]
