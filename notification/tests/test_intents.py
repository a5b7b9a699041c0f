"""What the service makes of intents: good, bad, repeated, and those it cannot decide yet."""

from collections import Counter
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.ids import uuid7
from kit.testing import eventually
from notification.tests.conftest import GAME, TURN, Outside, StartNotification

pytestmark = pytest.mark.stores


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"notification_type": "no.such"}, "notification_type"),
        ({"producer": ""}, "producer"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"idempotency_key": "k" * 201}, "idempotency_key"),
        ({"audience_kind": "admin"}, "audience_kind"),
        ({"recipient_user_ids": "[]"}, "recipient_user_ids"),
        ({"recipient_user_ids": '["not a uuid"]'}, "recipient_user_ids"),
        ({"recipient_user_ids": "{"}, "recipient_user_ids"),
        ({"payload_json": "{"}, "payload_json"),
        ({"payload_json": "[]"}, "payload"),
        ({"payload_json": orjson.dumps({**TURN, "more": 1})}, "payload"),
        ({"payload_json": orjson.dumps({**TURN, "turn": "three"})}, "turn"),
        ({"payload_json": orjson.dumps({**TURN, "deadline_at": "tomorrow"})}, "deadline_at"),
        ({"payload_json": orjson.dumps({**TURN, "game_name": "x" * 20_000})}, "payload_json"),
        ({"payload_json": b"\xff\xfe"}, "payload_json"),
        ({"occurred_at": "2030-01-01T00:00:00"}, "occurred_at"),
        ({"occurred_at": "yesterday"}, "occurred_at"),
    ],
)
async def test_a_bad_intent_is_recorded_and_the_offset_moves_on(
    outside: Outside, change: dict[str, Any], reason: str
):
    """notification-runbook:57 notification-runbook:82 notification-runbook:85"""
    ada = outside.people.add()
    await outside.intend(recipients=[ada], **change)
    good = await outside.intend(recipients=[ada])
    await outside.settled(good)
    (kept,) = await outside.malformed()
    assert reason in kept["reason"]
    assert len(await outside.fetch("SELECT FROM records")) == 1


async def test_a_malformed_intent_keeps_its_raw_bytes_and_stream_id(outside: Outside):
    """notification-runbook:83."""
    stream_id = await outside.write({b"\xff": b"\x00", "producer": "backend"})
    (kept,) = await outside.malformed()
    assert kept["stream_id"] == stream_id
    assert bytes(kept["raw"]).startswith(b"\x00\x00\x00\x01\xff\x00\x00\x00\x01\x00")
    assert kept["producer"] == "backend"


async def test_an_intent_for_an_unknown_user_is_malformed(outside: Outside):
    """notification-runbook:81"""
    ada = outside.people.add()
    await outside.intend(recipients=[ada, uuid7()])
    (kept,) = await outside.malformed()
    assert "user that does not exist" in kept["reason"]
    assert await outside.fetch("SELECT FROM routes") == []


@pytest.mark.parametrize("status", [503, 500, 401])
async def test_a_user_service_that_is_away_holds_the_offset(outside: Outside, status: int):
    """notification-runbook:75 notification-runbook:80 notification-runbook:86"""
    ada = outside.people.add()
    outside.people.status = status
    key = await outside.intend(recipients=[ada])
    await eventually(lambda: _true(outside.people.asked >= 2))
    assert await outside.fetch("SELECT FROM stream_offsets") == []
    outside.people.status = 200
    assert set((await outside.settled(key)).values()) == {"published"}
    assert await outside.fetch("SELECT FROM malformed_intents") == []


async def test_a_repeated_intent_makes_nothing_new(outside: Outside):
    ada = outside.people.add()
    key = await outside.intend(recipients=[ada])
    await outside.settled(key)
    await outside.intend(recipients=[ada], idempotency_key=key)
    await outside.settled(await outside.intend(recipients=[ada]))
    assert len(await outside.events()) == 2
    assert await outside.fetch("SELECT FROM idempotency_conflicts") == []


async def test_another_body_under_a_known_key_is_a_conflict_and_the_first_wins(outside: Outside):
    ada = outside.people.add()
    key = await outside.intend(recipients=[ada])
    await outside.settled(key)
    await outside.intend(recipients=[ada], payload={**TURN, "turn": 4}, idempotency_key=key)
    # The same key under another type is another intent.
    await outside.intend("game.started", [ada], GAME, idempotency_key=key)
    await outside.settled(await outside.intend("game.started", [ada], GAME))
    (conflict,) = await outside.fetch("SELECT * FROM idempotency_conflicts")
    assert (conflict["notification_type"], conflict["idempotency_key"]) == ("game.turn.ready", key)
    turns = [orjson.loads(event["payload_bytes"]).get("turn") for event in await outside.events()]
    assert turns == [3, None, None]


async def test_keys_outlive_their_records(start_notification: StartNotification):
    """notification-runbook:25 notification-runbook:26 notification-runbook:27"""
    _, outside = await start_notification(
        cleanup_interval="50ms", record_retention="1d", malformed_intent_retention="1d"
    )
    ada = outside.people.add()
    key = await outside.intend(recipients=[ada])
    await outside.settled(key)
    await outside.write({"no": "intent"})
    await outside.malformed()
    await outside.execute("UPDATE records SET accepted_at = now() - interval '2 days'")
    await outside.execute("UPDATE malformed_intents SET received_at = now() - interval '2 days'")

    async def gone() -> bool:
        rows = await outside.fetch("SELECT FROM records UNION ALL SELECT FROM malformed_intents")
        return rows == []

    await eventually(gone)
    assert await outside.fetch("SELECT FROM routes") == []
    await outside.intend(recipients=[ada], idempotency_key=key)
    await outside.settled(await outside.intend(recipients=[ada]))
    assert len(await outside.events()) == 2


async def test_a_record_with_an_open_route_is_kept(start_notification: StartNotification):
    _, outside = await start_notification(cleanup_interval="50ms", record_retention="1d")
    quiet = {"from": "00:00", "to": "23:59"}
    ada = outside.people.add(quiet_hours=quiet, time_zone="UTC")
    key = await outside.intend(recipients=[ada])
    await eventually(lambda: _settles(outside, key, f"push:{ada}", "published"))
    await outside.settled(await outside.intend(recipients=[outside.people.add()]))
    await outside.execute("UPDATE records SET accepted_at = now() - interval '2 days'")

    async def one_is_gone() -> bool:
        return len(await outside.fetch("SELECT FROM records")) < 2

    await eventually(one_is_gone)
    assert [row["idempotency_key"] for row in await outside.fetch("SELECT idempotency_key FROM records")] == [
        key
    ]


async def test_quiet_hours_hold_mail_back_and_push_not(outside: Outside):
    ada = outside.people.add(quiet_hours={"from": "00:00", "to": "23:59"}, time_zone="UTC")
    key = await outside.intend(recipients=[ada])
    await eventually(lambda: _settles(outside, key, f"push:{ada}", "published"))
    routes = await outside.routes(key)
    (mail,) = await outside.fetch("SELECT next_at > now() AS waits FROM routes WHERE lane = 'email'")
    # At 23:59 the quiet hours are over for a minute.
    assert mail["waits"] or routes[f"email:{ada}"] == "published"


async def test_open_routes_of_a_deleted_user_are_skipped_and_its_address_forgotten(outside: Outside):
    """backend-runbook:118 backend-runbook:119"""
    ada = outside.people.add(quiet_hours={"from": "00:00", "to": "23:59"}, time_zone="UTC")
    key = await outside.intend(recipients=[ada])
    await eventually(lambda: _settles(outside, key, f"push:{ada}", "published"))
    await outside.intend("user.deleted", [ada], {"user_id": ada})
    assert (await outside.settled(key))[f"push:{ada}"] == "published"
    rows = await outside.fetch("SELECT address, unsubscribe_url FROM routes")
    assert {(row["address"], row["unsubscribe_url"]) for row in rows} == {(None, "")}


async def test_routes_for_a_user_already_deleted_are_skipped(outside: Outside):
    ada = outside.people.add(status="deleted", email="")
    key = await outside.intend(recipients=[ada])
    assert await outside.settled(key) == {f"push:{ada}": "skipped", f"email:{ada}": "skipped"}
    assert await outside.events() == []


async def test_routes_for_a_blocked_user_are_skipped_for_a_reason_of_their_own(outside: Outside):
    ada = outside.people.add(status="blocked")
    key = await outside.intend(recipients=[ada])
    assert await outside.settled(key) == {f"push:{ada}": "skipped", f"email:{ada}": "skipped"}
    rows = await outside.fetch("SELECT skip_reason, address FROM routes")
    assert {(row["skip_reason"], row["address"]) for row in rows} == {("user_blocked", None)}
    assert await outside.events() == []


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3)), min_size=1, max_size=12))
async def test_one_intent_a_key_whatever_comes_in_whatever_order(
    outside: Outside, arrivals: list[tuple[str, int]]
):
    ada = outside.people.add()
    run = uuid7()
    first: dict[str, int] = {}
    for name, turn in arrivals:
        first.setdefault(name, turn)
        await outside.intend(
            recipients=[ada], payload={**TURN, "turn": turn}, idempotency_key=f"{run}:{name}"
        )
    for name in first:
        await outside.settled(f"{run}:{name}")
    await outside.settled(await outside.intend("game.started", [ada], GAME))
    mine = [event for event in await outside.events() if event["user_id"] == ada]
    turns = Counter(orjson.loads(event["payload_bytes"]).get("turn") for event in mine)
    del turns[None]
    assert turns == Counter(first.values())
    conflicts = await outside.fetch(
        "SELECT idempotency_key, body_hash FROM idempotency_conflicts WHERE idempotency_key LIKE $1",
        f"{run}%",
    )
    wanted = {(name, turn) for name, turn in arrivals if turn != first[name]}
    assert len(conflicts) == len(wanted)


async def _true(value: bool) -> bool:
    return value


async def _settles(outside: Outside, key: str, route_id: str, state: str) -> bool:
    return (await outside.routes(key)).get(route_id) == state
