"""Postgres dies at once and comes back, Redis is emptied, while intents and routes are in each of their steps."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest

from deploy.embedded.testing import BreakablePostgres, BreakableValkey
from kit.postgres import Database, PostgresUnavailable, in_schema
from kit.redis_pool import open_redis
from kit.testing import AnswerHolder, eventually, fresh_redis
from notification.app import SCHEMA, build
from notification.settings import RouteSettings
from notification.tests.conftest import Outside, People, notification_settings

pytestmark = [pytest.mark.stores, pytest.mark.timeout(180)]
DELIVERED = [("delivered", None)]

StartStage = Callable[..., Awaitable[Outside]]


@pytest.fixture
async def wire(breakable_valkey: BreakableValkey) -> AsyncIterator[AnswerHolder]:
    """Give the wire between the service and its Redis."""
    async with AnswerHolder(breakable_valkey.url).serving() as serving:
        yield serving


@pytest.fixture
async def start(
    breakable_postgres: BreakablePostgres,
    breakable_valkey: BreakableValkey,
    wire: AnswerHolder,
    people: People,
) -> AsyncIterator[StartStage]:
    """Give a function that starts the service on stores that a test may break."""
    async with AsyncExitStack() as stack:

        async def begin(**route: str) -> Outside:
            direct = fresh_redis(breakable_valkey.url)
            changes = {"key_prefix": direct.key_prefix, "operation_timeout": "20s"}
            through = type(direct).model_validate({**fresh_redis(wire.url).model_dump(), **changes})
            redis = await stack.enter_async_context(open_redis(direct))
            settings = notification_settings(
                breakable_postgres.admin_dsn,
                through,
                people.base_url,
                route=RouteSettings.model_validate({"worker_interval": "100ms", "lease": "30s", **route}),
            )
            await stack.enter_async_context(build(settings))
            dsn = in_schema(breakable_postgres.admin_dsn, SCHEMA)
            database = await stack.enter_async_context(Database.open(dsn, "notification-test"))
            return Outside(settings, people, redis, database)

        yield begin


class Locker:
    """A session that holds a table's lock, so that the service's statements hang in the server: in flight."""

    def __init__(self, postgres: BreakablePostgres) -> None:
        self._postgres = postgres

    async def hold(self, table: str, mode: str) -> None:
        """Take the lock; it ends with the server."""
        session = await asyncpg.connect(self._postgres.admin_dsn)
        await session.execute(f"BEGIN; LOCK TABLE {SCHEMA}.{table} IN {mode} MODE")
        self._session = session

    async def statements_hang(self, count: int) -> None:
        """Wait until so many of the service's statements wait for it."""

        async def waiting() -> bool:
            found: int = await self._session.fetchval(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE application_name = 'notification' AND wait_event_type = 'Lock'"
            )
            return found == count

        await eventually(waiting)


async def intend(outside: Outside, user: str, count: int) -> set[str]:
    return {await outside.intend(recipients=[user]) for _ in range(count)}


async def all_published(outside: Outside, keys: set[str]) -> None:
    """Wait until exactly these have a record, and all of their routes are published."""

    async def done() -> bool:
        with contextlib.suppress(PostgresUnavailable):
            rows = await outside.fetch(
                "SELECT idempotency_key, bool_and(state = 'published') AS over"
                " FROM records JOIN routes USING (record_id) GROUP BY 1"
            )
            return {row["idempotency_key"] for row in rows if row["over"]} == keys
        return False

    await eventually(done, timeout=60)


async def in_streams(outside: Outside, count: int) -> None:
    """Wait until both streams hold so many entries."""

    async def taken() -> bool:
        return len(await outside.events()) == len(await outside.mails()) == count

    await eventually(taken)


async def copies(outside: Outside) -> Counter[str]:
    """Return how many entries each route has in its stream, by the id that readers know it by."""
    events = Counter(event["event_id"] for event in await outside.events())
    return events + Counter(mail["delivery_id"] for mail in await outside.mails())


async def histories(outside: Outside) -> dict[str, list[tuple[str, str | None]]]:
    """Return the attempts of each route, by id."""
    rows = await outside.fetch(
        "SELECT r.id, a.outcome, a.classification FROM routes r JOIN routes_attempts a ON a.entry_id = r.id"
        " ORDER BY a.attempt_no"
    )
    found: dict[str, list[tuple[str, str | None]]] = {}
    for row in rows:
        found.setdefault(row["id"], []).append((row["outcome"], row["classification"]))
    return found


async def each_was_published_once(outside: Outside, keys: set[str]) -> None:
    """Each intent has one record and two routes, each published once and never tried twice."""
    records = await outside.fetch("SELECT idempotency_key FROM records")
    assert Counter(row["idempotency_key"] for row in records) == Counter(keys)
    rows = await outside.fetch("SELECT id, lane FROM routes")
    assert Counter(row["lane"] for row in rows) == Counter(push=len(keys), email=len(keys))
    ids = [row["id"] for row in rows]
    assert await copies(outside) == Counter(ids)
    assert await histories(outside) == dict.fromkeys(ids, DELIVERED)


async def test_a_postgres_restart_while_intents_are_prepared_loses_and_repeats_none(
    start: StartStage, breakable_postgres: BreakablePostgres
):
    outside = await start()
    ada = outside.people.add()
    outside.people.hold = asyncio.Event()
    keys = await intend(outside, ada, 20)
    await eventually(lambda: _asked(outside))
    await breakable_postgres.crash()
    outside.people.hold.set()
    await breakable_postgres.come_back()
    await all_published(outside, keys)
    await each_was_published_once(outside, keys)


async def _asked(outside: Outside) -> bool:
    return outside.people.asked > 0


async def test_a_postgres_restart_while_records_are_written_loses_and_repeats_none(
    start: StartStage, breakable_postgres: BreakablePostgres
):
    outside = await start()
    ada = outside.people.add()
    locker = Locker(breakable_postgres)
    await locker.hold("records", "SHARE")
    keys = await intend(outside, ada, 20)
    await locker.statements_hang(1)
    await breakable_postgres.crash()
    keys |= await intend(outside, ada, 5)
    await breakable_postgres.come_back()
    await all_published(outside, keys)
    await each_was_published_once(outside, keys)


async def test_a_postgres_restart_while_routes_are_claimed_loses_and_repeats_none(
    start: StartStage, breakable_postgres: BreakablePostgres
):
    # Long between two looks: a publisher claims when the intents' commit wakes it, and not before.
    outside = await start(worker_interval="2s")
    ada = outside.people.add()
    keys = await intend(outside, ada, 1)
    await all_published(outside, keys)
    locker = Locker(breakable_postgres)
    await locker.hold("routes_attempts", "SHARE")
    more = await intend(outside, ada, 20)
    await eventually(lambda: _recorded(outside, keys | more))
    await locker.statements_hang(2)
    await breakable_postgres.crash()
    await breakable_postgres.come_back()
    await all_published(outside, keys | more)
    await each_was_published_once(outside, keys | more)


async def _recorded(outside: Outside, keys: set[str]) -> bool:
    return {
        row["idempotency_key"] for row in await outside.fetch("SELECT idempotency_key FROM records")
    } == keys


async def test_a_postgres_restart_while_streams_take_the_routes_loses_and_repeats_none(
    start: StartStage, breakable_postgres: BreakablePostgres, wire: AnswerHolder
):
    outside = await start()
    ada = outside.people.add()
    wire.hold_answers_to(b"XADD")
    keys = await intend(outside, ada, 1)
    await in_streams(outside, 1)
    await breakable_postgres.crash()
    wire.let_go()
    await breakable_postgres.come_back()
    await all_published(outside, keys)
    await each_was_published_once(outside, keys)


async def test_a_postgres_restart_while_routes_are_marked_loses_and_repeats_none(
    start: StartStage, breakable_postgres: BreakablePostgres, wire: AnswerHolder
):
    outside = await start()
    ada = outside.people.add()
    wire.hold_answers_to(b"XADD")
    keys = await intend(outside, ada, 1)
    await in_streams(outside, 1)
    locker = Locker(breakable_postgres)
    await locker.hold("routes", "SHARE")
    wire.let_go()
    await locker.statements_hang(2)
    await breakable_postgres.crash()
    await breakable_postgres.come_back()
    await all_published(outside, keys)
    await each_was_published_once(outside, keys)


async def test_an_outage_longer_than_the_lease_repeats_once_what_was_in_flight_and_nothing_else(
    start: StartStage,
    breakable_postgres: BreakablePostgres,
    wire: AnswerHolder,
    capsys: pytest.CaptureFixture[str],
):
    outside = await start(lease="1s")
    ada = outside.people.add()
    wire.hold_answers_to(b"XADD")
    keys = await intend(outside, ada, 1)
    await in_streams(outside, 1)
    in_flight = {row["id"] for row in await outside.fetch("SELECT id FROM routes")}
    await breakable_postgres.crash()
    wire.let_go()
    seen = ""

    async def given_up() -> bool:
        nonlocal seen
        seen += capsys.readouterr().out
        return seen.count("outbox_paused") == 2

    await eventually(given_up)  # after trying to mark for as long as their leases last
    await breakable_postgres.come_back()
    keys |= await intend(outside, ada, 5)
    await all_published(outside, keys)
    ids = {row["id"] for row in await outside.fetch("SELECT id FROM routes")}
    assert await copies(outside) == Counter({route: 2 if route in in_flight else 1 for route in ids})
    repeated = [("unknown", "lease_expired"), *DELIVERED]
    assert await histories(outside) == {route: repeated if route in in_flight else DELIVERED for route in ids}


async def test_restarts_of_postgres_under_load_lose_nothing_and_repeat_only_what_is_on_record(
    start: StartStage, breakable_postgres: BreakablePostgres
):
    outside = await start(lease="2s")
    ada = outside.people.add()
    keys: set[str] = set()
    interrupted = 0
    for round_no in range(5):
        begun = len(await outside.events())
        keys |= await intend(outside, ada, 200)
        await _events_pass(outside, begun + 40 * round_no)
        await breakable_postgres.crash()
        interrupted += len(keys) - len({event["event_id"] for event in await outside.events()})
        await breakable_postgres.come_back()
        await all_published(outside, keys)
    assert interrupted, "no crash found anything in flight"
    sent, history = await copies(outside), await histories(outside)
    assert len(history) == 2 * len(keys)
    assert set(sent) == set(history)
    for route, attempts in history.items():
        outcomes = Counter(outcome for outcome, _ in attempts)
        assert outcomes["delivered"] == 1
        assert set(outcomes) <= {"delivered", "unknown"}
        assert sent[route] <= 1 + outcomes["unknown"], attempts


async def _events_pass(outside: Outside, length: int) -> None:
    async def longer() -> bool:
        return int(await outside.redis.xlen(outside.key("gateway:client-events"))) > length

    await eventually(longer, interval=0)


async def test_a_flush_counts_what_was_unread_and_leaves_what_was_committed(
    start: StartStage, capsys: pytest.CaptureFixture[str]
):
    outside = await start()
    ada = outside.people.add()
    committed = await intend(outside, ada, 30)
    await all_published(outside, committed)
    before = await _tables(outside)
    outside.people.status = 503  # the reader holds its offset: what follows stays unread
    unread = await intend(outside, ada, 170)
    asked = outside.people.asked
    await eventually(
        lambda: _asked_since(outside, asked + 2), timeout=60
    )  # a whole look lies behind us, with all of it in sight
    await outside.redis.flushall()
    outside.people.status = 200
    later = await intend(outside, ada, 40)
    await all_published(outside, committed | later)
    (offset,) = await outside.fetch("SELECT epoch, lost FROM stream_offsets")
    assert offset == {"epoch": 2, "lost": len(unread)}
    assert "stream_began_anew" in capsys.readouterr().out
    after = await _tables(outside)
    assert {table: {row: rows[row] for row in before[table]} for table, rows in after.items()} == before
    ids = {row["id"] for row in await outside.fetch("SELECT id FROM routes")}
    new = ids - set(before["routes"])
    assert await copies(outside) == Counter(dict.fromkeys(new, 1)), (
        "what was lost is lost, nothing comes twice"
    )


async def _asked_since(outside: Outside, count: int) -> bool:
    return outside.people.asked >= count


async def _tables(outside: Outside) -> dict[str, dict[str, Any]]:
    """Return all that is committed, row by row."""
    keys = {
        "records": "record_id",
        "routes": "id",
        "routes_attempts": "entry_id",
        "idempotency_keys": "record_id",
    }
    return {
        table: {row[key]: row for row in await outside.fetch(f"SELECT * FROM {table}")}  # noqa: S608 - our own words
        for table, key in keys.items()
    }


async def test_flushes_under_load_lose_at_most_what_was_unread_and_the_reader_goes_on(
    start: StartStage, capsys: pytest.CaptureFixture[str]
):
    outside = await start()
    ada = outside.people.add()
    written = await intend(outside, ada, 1)
    await all_published(
        outside, written
    )  # a reader that has read nothing yet knows nothing of a stream's past
    unread: set[str] = set()
    for _ in range(4):
        written |= await intend(outside, ada, 150)
        await outside.redis.flushall()  # the writer itself does it: what stands in `written` was all before
        known = await outside.fetch("SELECT idempotency_key FROM records")
        unread |= written - {row["idempotency_key"] for row in known}
        later = await intend(outside, ada, 20)
        written |= later
        await _all_recorded(outside, later)
    records = await outside.fetch("SELECT idempotency_key FROM records")
    arrived = Counter(row["idempotency_key"] for row in records)
    assert set(arrived.values()) == {1}
    lost = written - set(arrived)
    assert lost, "no flush found anything unread"
    assert lost <= unread
    await all_published(outside, set(arrived))
    (offset,) = await outside.fetch("SELECT epoch, lost FROM stream_offsets")
    assert offset["epoch"] == 5, "each flush was noticed"
    assert offset["lost"] <= len(lost)
    assert capsys.readouterr().out.count("stream_began_anew") == 4


async def _all_recorded(outside: Outside, keys: set[str]) -> None:
    async def recorded() -> bool:
        rows = await outside.fetch("SELECT idempotency_key FROM records")
        return keys <= {row["idempotency_key"] for row in rows}

    await eventually(recorded, timeout=60)
