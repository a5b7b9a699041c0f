"""What streams and stores can do to routes, and what comes of it."""

from functools import partial

import pytest

from kit.ids import uuid7
from kit.testing import eventually
from notification.tests.conftest import GAME, TURN, Outside, StartNotification

pytestmark = pytest.mark.stores


async def hurry(outside: Outside) -> None:
    """Let every wait of the ladder pass."""
    await outside.execute(
        "UPDATE routes SET next_at = now() WHERE finished_at IS NULL AND claim_token IS NULL"
    )


@pytest.mark.parametrize(
    ("stream", "lane", "classification"),
    [
        ("gateway:client-events", "push", "gateway_stream_publish_failed"),
        ("mail:delivery_commands", "email", "mail_stream_publish_failed"),
    ],
)
async def test_a_stream_that_takes_nothing_fails_routes_until_they_are_dead_letters(
    outside: Outside, stream: str, lane: str, classification: str
):
    """notification-runbook:91 notification-runbook:97 notification-runbook:99 notification-runbook:100
    notification-runbook:101 notification-runbook:102 notification-runbook:106 notification-runbook:107
    notification-runbook:108
    """
    await outside.redis.set(outside.key(stream), "no stream at all")
    ada = outside.people.add()
    key = await outside.intend(recipients=[ada])
    for attempt in range(1, 8):
        await eventually(partial(_failed, outside, lane, attempt))
        await hurry(outside)
    await outside.settled(key)
    (letter,) = await outside.fetch("SELECT * FROM dead_letters")
    assert (letter["channel"], letter["last_error_classification"]) == (lane, classification)
    assert letter["attempt_no"] == 8
    rows = await outside.fetch("SELECT state FROM routes ORDER BY state")
    assert [row["state"] for row in rows] == ["dead_letter", "published"], "the other channel is not affected"


async def test_a_dead_letter_stays_and_a_new_key_recovers(outside: Outside):
    """notification-runbook:103 notification-runbook:104 notification-runbook:110 notification-runbook:111
    notification-runbook:113 notification-runbook:114
    """
    ada = outside.people.add(email_off=["game.started"])
    await outside.redis.set(outside.key("gateway:client-events"), "no stream at all")
    key = await outside.intend("game.started", [ada], GAME)
    await eventually(lambda: _failed(outside, "push", 1))
    await outside.execute("UPDATE routes SET attempt_no = 7, next_at = now() WHERE lane = 'push'")
    await outside.settled(key)
    before = await outside.fetch("SELECT * FROM dead_letters")
    await outside.redis.delete(outside.key("gateway:client-events"))
    await outside.intend("game.started", [ada], GAME, idempotency_key=key)
    again = await outside.intend("game.started", [ada], GAME)
    assert (await outside.settled(again))[f"push:{ada}"] == "published"
    assert len(await outside.events()) == 1, "the old key stays used"
    assert await outside.fetch("SELECT * FROM dead_letters") == before


async def test_a_payload_that_no_longer_fits_the_catalog_is_a_dead_letter_at_once(outside: Outside):
    """notification-runbook:105"""
    ada = outside.people.add(quiet_hours={"from": "00:00", "to": "23:59"}, time_zone="UTC")
    key = await outside.intend(recipients=[ada])
    await eventually(lambda: _is(outside, key, f"push:{ada}", "published"))
    await outside.execute("UPDATE records SET payload = '{}'")
    await hurry(outside)
    assert (await outside.settled(key))[f"email:{ada}"] == "dead_letter"
    (letter,) = await outside.fetch("SELECT * FROM dead_letters")
    assert letter["last_error_classification"] == "payload_encoding_failed"
    assert letter["attempt_no"] == 1


async def test_leases_in_redis_are_only_a_hint(outside: Outside):
    """notification-runbook:10"""
    players = [outside.people.add() for _ in range(20)]
    keys = []
    for _ in range(10):
        keys.append(await outside.intend("game.started", players, GAME))
        async for lease in outside.redis.scan_iter(outside.key("route_leases:*")):
            await outside.redis.unlink(lease)
    for key in keys:
        assert set((await outside.settled(key)).values()) == {"published"}
    ids = [event["event_id"] for event in await outside.events()]
    assert len(ids) == len(set(ids)) == 200
    attempts = await outside.fetch("SELECT max(attempt_no) AS most FROM routes")
    assert attempts == [{"most": 1}]


async def test_a_route_leased_by_somebody_else_waits_for_the_key_to_go(outside: Outside):
    route_id = uuid7()
    lease = outside.key(f"route_leases:{route_id}")
    await outside.redis.set(lease, "another replica")
    ada = outside.people.add()
    record = uuid7()
    await outside.execute(
        "INSERT INTO records (record_id, producer, notification_type, idempotency_key, audience_kind, recipient_user_ids,"
        " payload, occurred_at, stream_id) VALUES ($1, 'backend', 'game.turn.ready', $2, 'user', '[]', $3, now(), '0-1')",
        record,
        str(record),
        TURN,
    )
    await outside.execute(
        "INSERT INTO routes"
        " (id, record_id, route_id, lane, state, user_id, locale, time_zone, display_name, unsubscribe_url)"
        " VALUES ($1, $2, $3, 'push', 'pending', $4, 'en', 'UTC', '', '')",
        route_id,
        record,
        f"push:{ada}",
        ada,
    )
    # A route that came later has gone by: the leased one was looked at and left.
    await outside.settled(await outside.intend(recipients=[outside.people.add()]))
    assert len(await outside.events()) == 1
    await outside.redis.delete(lease)
    await outside.settled(str(record))
    assert len(await outside.events()) == 2
    leased = "SELECT attempt_no FROM routes WHERE id = $1"
    assert await outside.fetch(leased, route_id) == [{"attempt_no": 1}]


async def test_client_events_are_trimmed_by_age(start_notification: StartNotification):
    _, outside = await start_notification(client_events_retention="1s")
    stream = outside.key("gateway:client-events")
    for n in range(300):
        await outside.redis.xadd(stream, {"old": str(n)}, id=f"{n + 1}-1")
    ada = outside.people.add()
    await outside.settled(await outside.intend(recipients=[ada]))

    async def trimmed() -> bool:
        return await outside.redis.xlen(stream) <= 150

    await eventually(trimmed)


async def test_intents_already_committed_survive_a_flush_and_the_rest_go_on(outside: Outside):
    ada = outside.people.add()
    first = await outside.intend(recipients=[ada])
    await outside.settled(first)
    await outside.redis.delete(outside.key("notification:intents"))
    await eventually(lambda: _epoch(outside, 2))
    second = await outside.intend(recipients=[ada])
    assert set((await outside.settled(second)).values()) == {"published"}
    assert set((await outside.routes(first)).values()) == {"published"}


async def _failed(outside: Outside, lane: str, attempts: int) -> bool:
    rows = await outside.fetch("SELECT state, attempt_no FROM routes WHERE lane = $1", lane)
    return rows == [{"state": "failed", "attempt_no": attempts}]


async def _is(outside: Outside, key: str, route_id: str, state: str) -> bool:
    return (await outside.routes(key)).get(route_id) == state


async def _epoch(outside: Outside, epoch: int) -> bool:
    return await outside.fetch("SELECT epoch FROM stream_offsets") == [{"epoch": epoch}]
