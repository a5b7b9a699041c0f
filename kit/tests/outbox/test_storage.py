"""Claims of one lane: who holds an entry, and what a late hand can still change."""

import asyncio
from datetime import timedelta

import pytest

from kit.outbox.model import Claim, Completion
from kit.outbox.storage import LaneStorage
from kit.tests.outbox.conftest import LANE, QUICK, Letters

pytestmark = pytest.mark.stores


def sent(claim: Claim, detail: str | None = None) -> Completion:
    return Completion(claim.id, claim.token, "sent", "delivered", None, detail, timedelta(0), final=True)


def refused(claim: Claim, wait: timedelta = timedelta(hours=1)) -> Completion:
    return Completion(claim.id, claim.token, "retrying", "refused", "busy", "not now", wait, final=False)


async def test_a_claim_takes_the_oldest_due_entries_of_its_own_lane(letters: Letters):
    first = await letters.add()
    await letters.add(lane="quick")
    second = await letters.add(2)
    claims = await letters.claim(batch=2)
    assert [c.id for c in claims] == [first[0], min(second)]
    assert {c.attempt_no for c in claims} == {1}
    assert len({c.token for c in claims}) == 1


async def test_a_claimed_entry_is_claimed_by_nobody_else(letters: Letters):
    await letters.add(50)
    others = [LaneStorage(letters.database, LANE) for _ in range(4)]
    taken = await asyncio.gather(*(storage.claim(50, QUICK.lease) for storage in others))
    ids = [claim.id for claims in taken for claim in claims]
    assert len(ids) == len(set(ids)) == 50


async def test_a_completed_entry_is_final_and_keeps_what_the_transport_said(letters: Letters):
    (entry_id,) = await letters.add()
    (claim,) = await letters.claim()
    assert await letters.storage.complete([sent(claim, "250 queued")]) == {entry_id}
    row = await letters.row(entry_id)
    assert (row["state"], row["claim_token"], row["leased_until"], row["last_error"]) == (
        "sent",
        None,
        None,
        None,
    )
    assert row["finished_at"] is not None
    async with letters.database.connection() as connection:
        assert await connection.fetchval("SELECT error FROM letters_attempts") == "250 queued"
    assert await letters.claim() == []


async def test_a_zombies_late_completion_changes_no_row_and_no_history(letters: Letters):
    (entry_id,) = await letters.add()
    (zombie,) = await letters.claim()
    await letters.expire_leases()
    (heir,) = await LaneStorage(letters.database, LANE).claim(1, QUICK.lease)
    before = await letters.row(entry_id)
    assert await letters.storage.complete([sent(zombie)]) == set()
    assert await letters.storage.release([zombie]) == set()
    assert await letters.row(entry_id) == before
    assert await letters.history(entry_id) == [(1, "unknown", "lease_expired"), (2, "started", None)]
    assert await letters.storage.complete([sent(heir)]) == {entry_id}


async def test_a_late_completion_counts_while_nobody_else_has_claimed(letters: Letters):
    (entry_id,) = await letters.add()
    (claim,) = await letters.claim()
    await letters.expire_leases()
    assert await letters.storage.complete([sent(claim)]) == {entry_id}
    assert await letters.history(entry_id) == [(1, "delivered", None)]


async def test_an_entry_whose_lease_ran_out_is_claimed_again_and_its_attempt_is_unknown(letters: Letters):
    (entry_id,) = await letters.add()
    await letters.claim()
    assert await letters.claim() == []
    await letters.expire_leases()
    (again,) = await letters.claim()
    assert (again.attempt_no, again.series_attempt) == (2, 2)
    assert await letters.history(entry_id) == [(1, "unknown", "lease_expired"), (2, "started", None)]


async def test_a_refused_entry_waits_for_its_time(letters: Letters):
    (entry_id,) = await letters.add()
    (claim,) = await letters.claim()
    await letters.storage.complete([refused(claim)])
    row = await letters.row(entry_id)
    assert (row["state"], row["last_error_classification"], row["last_error"]) == (
        "retrying",
        "busy",
        "not now",
    )
    assert await letters.claim() == []
    await letters.make_due()
    (again,) = await letters.claim()
    assert again.attempt_no == 2


async def test_a_released_claim_leaves_no_trace(letters: Letters):
    (entry_id,) = await letters.add()
    before = await letters.row(entry_id)
    for _ in range(3):
        assert await letters.storage.release(await letters.claim()) == {entry_id}
    assert await letters.row(entry_id) == before
    assert await letters.history(entry_id) == []
    (claim,) = await letters.claim()
    assert (claim.attempt_no, claim.series_attempt) == (1, 1)


async def test_a_released_entry_that_was_refused_before_shows_it(letters: Letters):
    (entry_id,) = await letters.add()
    await letters.storage.complete([refused(claim, timedelta(0)) for claim in await letters.claim()])
    await letters.storage.release(await letters.claim())
    assert (await letters.row(entry_id))["state"] == "retrying"


async def test_a_rearmed_entry_begins_a_new_series_but_goes_on_counting(letters: Letters):
    (entry_id,) = await letters.add()
    await letters.storage.complete([refused(claim, timedelta(0)) for claim in await letters.claim()])
    async with letters.database.transaction() as connection:
        await connection.execute("UPDATE letters SET attempts_left_from = attempt_no")
    (claim,) = await letters.claim()
    assert (claim.attempt_no, claim.series_attempt) == (2, 1)
    assert [number for number, _, _ in await letters.history(entry_id)] == [1, 2]


async def test_still_ours_asks_the_database_how_much_of_the_lease_is_left(letters: Letters):
    await letters.add()
    claims = await letters.claim(lease=timedelta(seconds=30))
    assert await letters.storage.still_ours(claims, timedelta(seconds=20)) == {claims[0].id}
    assert await letters.storage.still_ours(claims, timedelta(seconds=31)) == set()
    await letters.expire_leases()
    assert await letters.storage.still_ours(claims, timedelta(0)) == set()


async def test_entries_armed_behind_the_mark_are_found(letters: Letters):
    await letters.add(4)
    await letters.claim(batch=2)
    async with letters.database.transaction() as connection:
        await connection.execute(
            "INSERT INTO letters (id, lane, next_at) VALUES (gen_random_uuid(), 'slow', now() - interval '1 hour')"
        )
    assert len(await letters.claim(batch=2)) == 2
    assert len(await letters.claim(batch=2)) == 1, "a read with nothing above the mark looks below it"


async def test_the_mark_is_dropped_each_second(letters: Letters):
    now = 0.0
    storage = LaneStorage(letters.database, LANE, monotonic=lambda: now)
    await letters.add(4)
    await storage.claim(2, QUICK.lease)
    async with letters.database.transaction() as connection:
        old = await connection.fetchval(
            "INSERT INTO letters (id, lane, next_at) VALUES (gen_random_uuid(), 'slow', now() - interval '1 hour')"
            " RETURNING id"
        )
    now = 1.1
    assert (await storage.claim(1, QUICK.lease))[0].id == old


async def test_depth_counts_what_waits(letters: Letters):
    assert await letters.storage.depth() == (0, 0)
    await letters.add(3)
    await letters.add(lane="quick")
    depth, oldest_age_ms = await letters.storage.depth()
    assert depth == 3
    assert 0 <= oldest_age_ms < 60_000
