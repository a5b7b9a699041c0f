"""Outcomes of several workers that share a commit, each under its own claim token."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from kit.ids import uuid7
from kit.outbox import Claim, LaneStorage
from kit.outbox.model import Completion, Completions
from kit.postgres import Database, PostgresUnavailable, in_schema
from kit.testing import eventually, fresh_database
from mail.app import SCHEMA
from mail.deliveries.marks import MarkingStorage, Marks
from mail.deliveries.model import LaneName, NewDelivery, outbox_lane
from mail.deliveries.storage import DeliveryStorage

pytestmark = pytest.mark.stores
LANE = outbox_lane(LaneName.ORDINARY)
LEASE = timedelta(minutes=1)


class Counting(LaneStorage):
    """Keeps how many outcomes each statement carried."""

    groups: list[int]

    async def complete(self, completions: Completions) -> set[str]:
        self.groups.append(len(completions))
        return await super().complete(completions)


class Lane:
    """A lane with its shared marks and a worker's view of it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.counting = Counting(database, LANE)
        self.counting.groups = []
        self.marks = Marks(self.counting)

    def worker(self) -> MarkingStorage:
        return MarkingStorage(self.database, LANE, self.marks)

    async def claims(self, count: int) -> list[Claim]:
        """Return claims of fresh deliveries, each under a token of its own."""
        new = [
            NewDelivery(
                delivery_id=delivery_id,
                source="test",
                idempotency_key=delivery_id,
                template_id="game.started",
                locale="en",
                to="ada@example.test",
                variables={},
                sealed_variables=None,
                unsubscribe_url="",
                user_id=None,
                expires_at=None,
                occurred_at=datetime.now(UTC),
                request_id="",
                trace_id="",
                body_hash=b"",
                stream_id="0-1",
            )
            for delivery_id in (uuid7() for _ in range(count))
        ]
        async with self.database.transaction() as connection:
            await DeliveryStorage().insert(connection, new)
        return [(await self.worker().claim(1, LEASE))[0] for _ in range(count)]

    @asynccontextmanager
    async def held(self, claim: Claim) -> AsyncIterator[None]:
        """Keep every completion of this claim waiting for the length of the context."""
        async with self.database.transaction() as connection:
            await connection.execute("SELECT FROM deliveries WHERE id = $1 FOR UPDATE", claim.id)
            yield

    async def state(self, claim: Claim) -> str:
        async with self.database.connection() as connection:
            state: str = await connection.fetchval("SELECT state FROM deliveries WHERE id = $1", claim.id)
            return state

    async def history(self, claim: Claim) -> list[tuple[int, str]]:
        async with self.database.connection() as connection:
            rows = await connection.fetch(
                "SELECT attempt_no, outcome FROM deliveries_attempts WHERE entry_id = $1 ORDER BY 1", claim.id
            )
        return [(row["attempt_no"], row["outcome"]) for row in rows]

    async def execute(self, statement: str, *arguments: str) -> None:
        async with self.database.connection() as connection:
            await connection.execute(statement, *arguments)


def sent(claim: Claim) -> Completion:
    return Completion(claim.id, claim.token, "sent", "delivered", None, "250 ok", timedelta(0), final=True)


@pytest.fixture
async def lane(postgres_admin_dsn: str, migrated_template: str) -> AsyncIterator[Lane]:
    async with (
        fresh_database(postgres_admin_dsn, migrated_template) as dsn,
        Database.open(in_schema(dsn, SCHEMA), "marks-test") as database,
    ):
        yield Lane(database)


async def behind(lane: Lane, first: Claim, *others: Claim) -> list[asyncio.Task[set[str]]]:
    """Begin to mark the first claim, which is held, and then the others; return when all of them wait."""
    tasks = [asyncio.ensure_future(lane.worker().complete([sent(first)]))]
    await eventually(lambda: _true(bool(lane.counting.groups)))
    tasks += [asyncio.ensure_future(lane.worker().complete([sent(claim)])) for claim in others]
    await asyncio.sleep(0)  # each has put itself into the line
    return tasks


async def _true(condition: bool) -> bool:
    return condition


async def test_an_outcome_alone_is_written_at_once(lane: Lane):
    (claim,) = await lane.claims(1)
    assert await lane.worker().complete([sent(claim)]) == {claim.id}
    assert (await lane.state(claim), lane.counting.groups) == ("sent", [1])


async def test_outcomes_that_come_while_one_is_written_share_the_next_statement(lane: Lane):
    first, *others = await lane.claims(4)
    async with lane.held(first):
        tasks = await behind(lane, first, *others)
    assert await asyncio.gather(*tasks) == [{claim.id} for claim in (first, *others)]
    assert lane.counting.groups == [1, 3]
    for claim in (first, *others):
        assert await lane.state(claim) == "sent"
        assert await lane.history(claim) == [(1, "delivered")]


async def test_of_two_claims_of_one_mail_only_the_younger_is_kept(lane: Lane):
    first, old = await lane.claims(2)
    await lane.execute("UPDATE deliveries SET leased_until = now() WHERE id = $1", old.id)
    (young,) = await lane.worker().claim(1, LEASE)
    assert young.id == old.id
    async with lane.held(first):
        tasks = await behind(lane, first, old, young)
    assert await asyncio.gather(*tasks) == [{first.id}, set(), {young.id}]
    assert await lane.history(young) == [(1, "unknown"), (2, "delivered")]


async def test_a_failure_is_told_to_all_that_shared_the_statement_and_marks_none(lane: Lane):
    first, *others = await lane.claims(3)
    await lane.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = 'disk_full'; END $$;"
        " CREATE TRIGGER refuse BEFORE UPDATE ON deliveries_attempts FOR EACH ROW"
        f" WHEN (NEW.entry_id = '{others[1].id}') EXECUTE FUNCTION refuse()"
    )
    async with lane.held(first):
        tasks = await behind(lane, first, *others)
    assert await tasks[0] == {first.id}
    for task in tasks[1:]:
        with pytest.raises(PostgresUnavailable):
            await task
    assert [await lane.state(claim) for claim in others] == ["sending", "sending"]
    await lane.execute("DROP TRIGGER refuse ON deliveries_attempts")
    assert await lane.worker().complete([sent(others[0])]) == {others[0].id}


async def test_a_worker_cut_off_while_it_writes_for_others_leaves_them_their_marks(lane: Lane):
    first, leader, *others = await lane.claims(4)
    async with lane.held(first), lane.held(leader):
        tasks = await behind(lane, first, leader, *others)
        # The statement of the first ends only with its lock; the group behind it then waits on the leader's.
        tasks[0].cancel()
        await eventually(lambda: _true(len(lane.counting.groups) == 2))
        tasks[1].cancel()
        assert await asyncio.gather(*tasks[2:]) == [{claim.id} for claim in others]
    assert lane.counting.groups == [1, 3, 2]
    assert await lane.state(leader) == "sending"
