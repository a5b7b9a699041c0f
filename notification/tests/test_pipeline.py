"""From an intent on the stream to the gateway's and the mail service's streams."""

from typing import Any

import orjson
import pytest

from kit.testing import eventually
from notification.settings import AdminSettings
from notification.tests.conftest import DEVICE, GAME, TURN, Outside, StartNotification

pytestmark = pytest.mark.stores


async def test_an_intent_reaches_both_streams(outside: Outside):
    """notification-runbook:48. backend-runbook:112-113."""
    ada = outside.people.add(locale="ru")
    key = await outside.intend(recipients=[ada])
    assert await outside.settled(key) == {f"push:{ada}": "published", f"email:{ada}": "published"}
    (event,) = await outside.events()
    assert event["user_id"] == ada
    assert event["event_type"] == "notification.game.turn.ready"
    assert event["device_session_id"] == ""
    assert orjson.loads(event["payload_bytes"]) == TURN
    assert (event["request_id"], event["trace_id"]) == ("req-7", "trace-7")
    (command,) = await outside.mails()
    assert command["kind"] == "send"
    assert command["to"] == outside.people.users[ada]["email"]
    assert command["template_id"] == "game.turn.ready"
    assert command["locale"] == "ru"
    assert command["user_id"] == ada
    assert command["idempotency_key"] == f"route:{command['delivery_id']}"
    assert orjson.loads(command["variables_json"]) == {
        **TURN,
        "display_name": "Ada",
        "time_zone": "Europe/Berlin",
    }
    assert command["unsubscribe_url"] == (
        "https://galaxy.test/api/v1/public/notifications/unsubscribe?token=tok%2Fen&type=game.turn.ready"
    )


async def test_every_recipient_has_a_route_for_each_channel(outside: Outside):
    """notification-runbook:95."""
    players = [outside.people.add() for _ in range(5)]
    key = await outside.intend("game.started", players, GAME)
    routes = await outside.settled(key)
    assert set(routes) == {f"{way}:{player}" for player in players for way in ("push", "email")}
    assert set(routes.values()) == {"published"}
    assert sorted(event["user_id"] for event in await outside.events()) == sorted(players)


async def test_a_link_that_carries_a_secret_goes_into_the_mail_alone(outside: Outside):
    ada = outside.people.add(email_off=["account.new_device"])
    key = await outside.intend("account.new_device", [ada], DEVICE)
    assert set((await outside.settled(key)).values()) == {"published"}, "this type cannot be switched off"
    (event,) = await outside.events()
    assert "sign_out_url" not in orjson.loads(event["payload_bytes"])
    (command,) = await outside.mails()
    assert orjson.loads(command["variables_json"])["sign_out_url"] == DEVICE["sign_out_url"]
    assert command["unsubscribe_url"] == ""


async def test_operators_get_a_mail_each(start_notification: StartNotification):
    """notification-runbook:23 notification-runbook:120 notification-runbook:121"""
    admin = AdminSettings.model_validate(
        {"email": "ops@example.test", "email_runtime_turn_failed": "one@example.test,two@example.test"}
    )
    _, outside = await start_notification(admin=admin)
    payload = {**GAME, "engine_version": "1.0.0", "error": "the engine gave no answer"}
    common = await outside.intend("runtime.image_pull_failed", payload=payload)
    own = await outside.intend("runtime.turn_failed", payload=payload)
    assert len(await outside.settled(common)) == 1
    routes = await outside.settled(own)
    assert len(routes) == 2
    assert all(route.startswith("email:") and "@" not in route for route in routes)
    commands = await outside.mails()
    assert sorted(command["to"] for command in commands) == [
        "one@example.test",
        "ops@example.test",
        "two@example.test",
    ]
    assert {command["template_id"] for command in commands} == {"admin.alert"}


async def test_an_empty_list_of_operators_leaves_a_skipped_route_that_shows_the_gap(outside: Outside):
    """notification-runbook:115 notification-runbook:116 notification-runbook:117 notification-runbook:118
    notification-runbook:125 backend-runbook:121
    backend-runbook:122-124.
    """
    payload = {**GAME, "engine_version": "1.0.0", "error": "no such image"}
    key = await outside.intend("runtime.image_pull_failed", payload=payload)
    assert await outside.settled(key) == {"config:runtime.image_pull_failed": "skipped"}
    assert await outside.mails() == []


async def test_people_who_switched_a_types_mail_off_get_the_push_alone(outside: Outside):
    ada = outside.people.add(email_off=["game.turn.ready"])
    key = await outside.intend(recipients=[ada])
    assert await outside.settled(key) == {f"push:{ada}": "published", f"email:{ada}": "skipped"}
    assert await outside.mails() == []
    (route,) = await outside.fetch("SELECT skip_reason, address FROM routes WHERE state = 'skipped'")
    assert route == {"skip_reason": "email_off", "address": None}


async def test_a_route_carries_the_same_id_as_its_mail_and_its_event(outside: Outside):
    ada = outside.people.add()
    await outside.settled(await outside.intend(recipients=[ada]))
    rows = await outside.fetch("SELECT id, lane FROM routes")
    ids = {row["lane"]: row["id"] for row in rows}
    assert (await outside.events())[0]["event_id"] == ids["push"]
    assert (await outside.mails())[0]["delivery_id"] == ids["email"]


async def test_the_committed_offset_is_mirrored_for_operators(outside: Outside):
    """notification-runbook:8"""
    ada = outside.people.add()
    await outside.settled(await outside.intend(recipients=[ada]))
    stream = outside.key("notification:intents")

    async def mirrored() -> bool:
        (row,) = await outside.fetch("SELECT last_id FROM stream_offsets")
        mirror: Any = await outside.redis.get(f"{stream}:offset:notification")
        return mirror is not None and mirror.decode() == row["last_id"]

    await eventually(mirrored)
