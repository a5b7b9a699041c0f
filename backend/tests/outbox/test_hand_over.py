"""From the transaction to the stream: never lost, rarely twice, and what happens when Redis is unwell."""

import asyncio
import contextlib
from datetime import timedelta

import asyncpg
import orjson
import pytest
from pydantic import SecretStr

from backend.outbox import storage
from backend.outbox.model import Intent, LaneName, SessionEvent
from backend.outbox.service import MAIL_STREAM
from backend.outbox.transport import RedisTransport
from backend.outbox.worker import lane
from backend.tests.outbox.conftest import SEALS, Bench
from kit.ids import uuid7
from kit.outbox import LaneStorage, TransportAway
from kit.redis_pool import redis_client
from kit.testing import ManualClock

pytestmark = pytest.mark.stores


async def test_an_intent_goes_out_as_it_was_recorded(bench):
    await bench.add("turn:g:3", payload={"game_id": "g", "turn": 3})
    counts = await bench.worker().run_once()
    assert counts.delivered == 1
    (fields,) = await bench.stream()
    assert fields == {
        "notification_type": "game.turn.ready",
        "producer": "backend",
        "audience_kind": "user",
        "recipient_user_ids": '["u"]',
        "idempotency_key": "turn:g:3",
        "occurred_at": "2030-01-01T00:00:00.000Z",
        "payload_json": '{"game_id":"g","turn":3}',
        "request_id": "",
        "trace_id": "",
    }
    assert await bench.row("state", idempotency_key="turn:g:3") == "published"


async def test_nothing_leaves_of_a_transaction_that_rolls_back(bench):
    with contextlib.suppress(ZeroDivisionError):
        async with bench.database.transaction() as connection:
            assert await bench.outbox.add_intent(connection, Intent("game.started", "k", {}))
            _ = 1 / 0
    assert (await bench.worker().run_once()).claimed == 0


async def test_a_key_is_carried_once_also_when_it_is_added_by_many_at_once(bench):
    """backend-runbook:110-112 idempotency via UNIQUE (kind, idempotency_key)."""
    new = await asyncio.gather(*(bench.add("same") for _ in range(8)))
    assert sorted(new) == [False] * 7 + [True]
    assert await bench.add("same", kind="game.started")
    assert (await bench.worker().run_once()).delivered == 2
    assert not await bench.add("same")


async def test_lanes_do_not_mix_and_the_session_stream_is_bounded(bench):
    await bench.add("k")
    await bench.add_mail(uuid7())
    async with bench.database.transaction() as connection:
        await bench.outbox.add_session_event(connection, SessionEvent("s", "u", "active", None, 1))
    assert (await bench.worker(LaneName.MAIL).run_once()).delivered == 1
    assert (await bench.worker(LaneName.INTENT).run_once()).delivered == 2
    assert len(await bench.stream()) == 1
    assert len(await bench.stream(MAIL_STREAM)) == 1
    assert (await bench.stream("gateway:session-events"))[0]["revoked_at"] == ""


async def test_an_absent_redis_costs_no_attempt_and_leaves_no_trace(bench):
    await bench.add("k")
    away = redis_client(bench.redis_settings.model_copy(update={"master_addr": "127.0.0.1:1"}))
    for _ in range(10):
        with pytest.raises(TransportAway):
            await bench.worker(redis=away).run_once()
    await away.aclose()
    assert await bench.row("attempt_no", idempotency_key="k") == 0
    async with bench.database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM outbox_attempts") == 0
    assert (await bench.worker().run_once()).delivered == 1


async def test_a_wrong_password_counts_as_an_absent_redis(bench):
    await bench.add("k")
    wrong = redis_client(bench.redis_settings.model_copy(update={"password": SecretStr("wrong")}))
    with pytest.raises(TransportAway):
        await bench.worker(redis=wrong).run_once()
    await wrong.aclose()
    assert await bench.row("attempt_no", idempotency_key="k") == 0


async def test_a_refused_entry_waits_five_seconds_doubling_and_the_others_pass(bench):
    """One stream's name is taken by a key of another type: only that stream's entries are refused."""
    await bench.redis.set(bench.redis_settings.key(MAIL_STREAM), "no stream")
    refused = uuid7()
    await bench.add_mail(refused)
    worker = bench.worker(LaneName.MAIL)
    expected = (5, 10, 20, 40, 80, 160, 300)
    for seconds in expected:
        assert (await worker.run_once()).retried == 1
        wait = await bench.row("extract(epoch FROM next_at - now())::float8", id=refused)
        assert seconds * 0.95 - 1 <= wait <= seconds * 1.1 + 1
        assert await bench.row("last_error_classification", id=refused) == "redis_refused"
        await _due(bench, refused)


async def test_the_eighth_refusal_is_a_dead_letter_with_its_whole_history(bench):
    """backend-runbook:93-96 dead_lettered after BACKEND_MAIL_MAX_ATTEMPTS (8)."""
    await bench.redis.set(bench.redis_settings.key(MAIL_STREAM), "no stream")
    refused = uuid7()
    await bench.add_mail(refused)
    worker = bench.worker(LaneName.MAIL)
    for _ in range(7):
        assert (await worker.run_once()).retried == 1
        await _due(bench, refused)
    assert (await worker.run_once()).dead == 1
    assert await bench.row("state", id=refused) == "dead_lettered"
    async with bench.database.connection() as connection:
        history = await connection.fetch(
            "SELECT attempt_no, outcome FROM outbox_attempts ORDER BY attempt_no"
        )
    assert [(row["attempt_no"], row["outcome"]) for row in history] == [(n, "refused") for n in range(1, 9)]


async def test_a_code_that_ran_out_on_the_way_is_a_dead_letter_and_erased(bench):
    delivery = uuid7()
    clock = ManualClock()
    await bench.add_mail(delivery, variables={"code": "123456"}, sealed=True, expires_at=clock.now())
    async with bench.database.transaction() as connection:
        await connection.execute("UPDATE outbox SET expires_at = now() - interval '1 second'")
    assert (await bench.worker(LaneName.MAIL).run_once()).dead == 1
    assert await bench.row("last_error_classification", id=delivery) == "expired"
    assert "variables_json" not in orjson.loads(await bench.row("fields::text", id=delivery))
    assert await bench.stream(MAIL_STREAM) == []


async def test_sealed_variables_open_with_their_delivery_alone(bench):
    delivery = uuid7()
    await bench.add_mail(delivery, variables={"code": "123456"}, sealed=True)
    await bench.worker(LaneName.MAIL).run_once()
    (fields,) = await bench.stream(MAIL_STREAM)
    assert fields["sealed"] == "1"
    assert orjson.loads(SEALS.open(fields["variables_json"], fields["delivery_id"])) == {"code": "123456"}


async def test_a_worker_that_dies_between_xadd_and_mark_repeats_its_batch_once_and_loses_nothing(bench):
    keys = [f"k{n}" for n in range(7)]
    for key in keys:
        await bench.add(key)
    transport = RedisTransport(bench.database, bench.redis, bench.redis_settings.key_prefix)
    lane_storage = LaneStorage(bench.database, lane(LaneName.INTENT))
    claims = await lane_storage.claim(4, timedelta(milliseconds=50))
    async for _ in transport.deliver(claims):
        break  # killed here: handed over, not marked
    assert len(await bench.stream()) == 4
    await asyncio.sleep(0.06)  # the lease is the database's clock; there is no signal for its end
    worker = bench.worker()
    while (await worker.run_once()).claimed:
        pass
    sent = [fields["idempotency_key"] for fields in await bench.stream()]
    assert set(sent) == set(keys)
    assert len(sent) == len(keys) + 4
    async with bench.database.connection() as connection:
        unknown = await connection.fetchval("SELECT count(*) FROM outbox_attempts WHERE outcome = 'unknown'")
    assert unknown == 4


async def test_two_workers_share_a_lane_and_send_each_entry_once(bench):
    keys = {f"k{n}" for n in range(250)}
    for key in sorted(keys):
        await bench.add(key)

    async def drain() -> None:
        worker = bench.worker()
        while (await worker.run_once()).claimed:
            pass

    await asyncio.gather(drain(), drain(), drain())
    sent = [fields["idempotency_key"] for fields in await bench.stream()]
    assert sorted(sent) == sorted(keys)


async def test_old_contents_are_forgotten_and_their_keys_are_not(bench):
    await bench.add("old")
    await bench.worker().run_once()
    async with bench.database.transaction() as connection:
        assert await storage.forget_contents(connection, timedelta(days=7), 100) == 0
        await connection.execute("UPDATE outbox SET finished_at = now() - interval '8 days'")
        assert await storage.forget_contents(connection, timedelta(days=7), 100) == 1
    assert await bench.row("fields::text", idempotency_key="old") == "{}"
    assert not await bench.add("old")


async def test_the_table_refuses_impossible_rows(bench):
    await bench.add("k")
    async with bench.database.connection() as connection:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute("UPDATE outbox SET state = 'published'")
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute("UPDATE outbox SET state = 'lost'")


async def _due(bench: Bench, entry_id: str) -> None:
    async with bench.database.transaction() as connection:
        await connection.execute("UPDATE outbox SET next_at = now() WHERE id = $1", entry_id)
