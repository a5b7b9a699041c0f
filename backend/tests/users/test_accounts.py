"""Accounts over HTTP."""

import asyncio
from typing import Any

import orjson
import pytest

from backend.tests.driving import NOTIFICATION_TOKEN
from backend.users.mail_kinds import KINDS
from kit.testing import eventually

pytestmark = pytest.mark.stores


@pytest.fixture
async def ada(backend, redis):
    return await backend.sign_in(redis, "ada@example.org")


async def test_a_player_changes_name_language_and_time_zone(backend, ada):
    change = {"display_name": "Ada Lovelace", "locale": "ru", "time_zone": "Asia/Tokyo"}
    reply = await backend.as_player(ada, "PATCH", "/account", change)
    assert reply.status == 200
    assert {key: reply.body[key] for key in change} == change
    one = await backend.as_player(ada, "PATCH", "/account", {"locale": "en"})
    assert one.body["display_name"] == "Ada Lovelace"
    assert one.body["locale"] == "en"


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"locale": "fr"},
        {"time_zone": "Mars/Olympus"},
        {"display_name": ""},
        {"display_name": "a\x00b"},
        {"display_name": "x" * 41},
        {"display_name": "   "},
        {"email": "other@example.org"},
    ],
)
async def test_a_change_that_cannot_be_right_is_refused(backend, ada, change):
    assert (await backend.as_player(ada, "PATCH", "/account", change)).status == 422


async def test_preferences_are_replaced_whole(backend, ada):
    wanted = {
        "email_off": ["game.turn.ready", "game.started"],
        "quiet_hours": {"from": "22:00", "to": "07:30"},
    }
    reply = await backend.as_player(ada, "PUT", "/preferences", wanted)
    types = reply.body.pop("email_types")
    assert reply.body == {**wanted, "email_off": ["game.started", "game.turn.ready"]}
    assert {"game.started", "game.turn.ready"} <= set(types)
    kept = (await backend.as_player(ada, "GET", "/preferences")).body
    assert kept == {**reply.body, "email_types": types}
    cleared = await backend.as_player(ada, "PUT", "/preferences", {"email_off": []})
    assert cleared.body == {"email_off": [], "quiet_hours": None, "email_types": types}
    for bad in (
        {"email_off": ["Not A Type"]},
        {"email_off": [], "quiet_hours": {"from": "25:00", "to": "07:00"}},
    ):
        assert (await backend.as_player(ada, "PUT", "/preferences", bad)).status == 422


async def test_other_services_learn_how_to_reach_a_user(backend, ada):
    reply = await backend.call("GET", f"/api/v1/internal/users/{ada.user_id}", token=NOTIFICATION_TOKEN)
    assert reply.status == 200
    assert reply.body["email"] == "ada@example.org"
    assert reply.body["status"] == "active"
    assert reply.body["email_off"] == []
    assert reply.body["quiet_hours"] is None
    assert len(reply.body["unsubscribe_token"]) == 43
    missing = await backend.call("GET", "/api/v1/internal/users/01890000-0000-7000-8000-000000000000")
    assert (missing.status, missing.code) == (404, "user.not_found")


async def test_one_click_unsubscribes_and_following_the_link_does_not(backend, ada):
    user = (await backend.call("GET", f"/api/v1/internal/users/{ada.user_id}")).body
    link = f"/api/v1/public/notifications/unsubscribe?token={user['unsubscribe_token']}&type=game.turn.ready"
    shown = await backend.call("GET", link)
    assert shown.status == 200
    assert '<form method="post">' in shown.body
    assert "no more mails when a new turn is ready" in shown.body
    assert "galaxy mails --on game.turn.ready" in shown.body
    assert (await backend.as_player(ada, "GET", "/preferences")).body["email_off"] == []
    one_click = {"Content-Type": "application/x-www-form-urlencoded"}
    for _ in range(2):
        done = await backend.call("POST", link, data=b"List-Unsubscribe=One-Click", headers=one_click)
        assert done.status == 200
    assert (await backend.as_player(ada, "GET", "/preferences")).body["email_off"] == ["game.turn.ready"]
    for token in ("x" * 43, user["unsubscribe_token"][:-2] + "xx", "", "%00", "é"):
        forged = await backend.call(
            "POST", f"/api/v1/public/notifications/unsubscribe?token={token}&type=game.turn.ready"
        )
        assert forged.status == 410


async def test_the_unsubscribe_page_speaks_its_readers_language_also_of_types_it_does_not_know(backend, ada):
    await backend.as_player(ada, "PATCH", "/account", {"locale": "ru"})
    user = (await backend.call("GET", f"/api/v1/internal/users/{ada.user_id}")).body
    link = f"/api/v1/public/notifications/unsubscribe?token={user['unsubscribe_token']}&type="
    assert "письма о приглашениях в игры" in (await backend.call("GET", f"{link}lobby.invite.created")).body
    unknown = (await backend.call("GET", f"{link}game.news")).body
    assert "письма этого вида" in unknown
    assert "galaxy mails --on game.news" in unknown


def test_every_kind_of_mail_has_a_name_in_every_language():
    assert len({frozenset(kinds) for kinds in KINDS.values()}) == 1


async def test_many_changes_at_once_leave_cache_and_table_agreed(backend, ada):
    await asyncio.gather(
        *(backend.as_player(ada, "PATCH", "/account", {"display_name": f"name {n}"}) for n in range(20))
    )
    async with backend.database() as connection:
        stored = await connection.fetchval("SELECT display_name FROM accounts")
    assert (await backend.as_player(ada, "GET", "/account")).body["display_name"] == stored


async def test_a_deleted_account_is_emptied_signed_out_and_announced_to_mail_and_notification(
    backend, ada, redis
):
    """backend-runbook:118-119 a user's deletion is announced so that pending routes become skipped."""
    assert (await backend.as_player(ada, "POST", "/account/delete")).body == {"status": "done"}
    user = (await backend.call("GET", f"/api/v1/internal/users/{ada.user_id}")).body
    assert (user["status"], user["email"], user["display_name"]) == ("deleted", "", "Deleted player")
    session = await backend.call("GET", f"/api/v1/internal/sessions/{ada.device_session_id}")
    assert session.body["status"] == "revoked"
    late = await backend.as_player(ada, "GET", "/account")
    assert (late.status, late.code) == (403, "user.not_active")

    async def told() -> Any:
        intents = await redis.xrange(backend.settings.redis.key("notification:intents"))
        mails = await redis.xrange(backend.settings.redis.key("mail:delivery_commands"))
        deleted = [f for _, f in intents if f[b"notification_type"] == b"user.deleted"]
        erase = [f for _, f in mails if f[b"kind"] == b"erase"]
        return (deleted[0], erase[0]) if deleted and erase else None

    await eventually(told)
    deleted, erase = await told()
    assert orjson.loads(deleted[b"payload_json"]) == {"user_id": ada.user_id}
    assert (erase[b"user_id"].decode(), erase[b"to"]) == (ada.user_id, b"ada@example.org")
    anew = await backend.sign_in(redis, "ada@example.org")
    assert anew.user_id != ada.user_id


async def test_an_export_holds_account_preferences_and_sessions(backend, ada):
    reply = await backend.as_player(ada, "GET", "/account/export")
    assert reply.body["account"]["email"] == "ada@example.org"
    assert reply.body["preferences"]["email_off"] == []
    assert [row["device_session_id"] for row in reply.body["sessions"]] == [ada.device_session_id]
    assert reply.body["countries"] == []


async def test_unsubscribe_links_of_made_up_types_come_to_an_end(backend, ada):
    user = (await backend.call("GET", f"/api/v1/internal/users/{ada.user_id}")).body
    link = f"/api/v1/public/notifications/unsubscribe?token={user['unsubscribe_token']}&type=made.up_"
    made_up = [first + second for first in "abcdefgh" for second in "abcdefghi"][:66]
    answers = [await backend.call("POST", link + name) for name in made_up]
    assert [answer.status for answer in answers] == [200] * 64 + [410] * 2
