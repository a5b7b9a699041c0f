"""An operator keeps a player out, and lets them in again."""

import asyncio
from typing import Any

import pytest

from backend.tests.driving import Reply, RunningBackend, new_public_key

pytestmark = pytest.mark.stores
EMAIL = "ada@example.org"


async def _admin(backend: RunningBackend, token: str, path: str, body: Any = None) -> Reply:
    return await backend.call("POST", f"/api/v1/admin{path}", body, token=token)


async def _status(backend: RunningBackend, session_id: str) -> str:
    reply = await backend.call("GET", f"/api/v1/internal/sessions/{session_id}")
    return str(reply.body["status"])


def _wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


async def test_a_blocked_player_is_out_at_once_and_only_the_right_code_says_so(backend, redis):
    ada = await backend.sign_in(redis, EMAIL)
    bob = await backend.sign_in(redis, "bob@example.org")
    token = await backend.operator_token()
    blocked = await _admin(backend, token, f"/users/{ada.user_id}/block", {"reason": "spam"})
    assert (blocked.status, blocked.body["status"]) == (200, "blocked")
    assert await _status(backend, ada.device_session_id) == "revoked"
    assert await _status(backend, bob.device_session_id) == "active"
    refused = await backend.as_player(ada, "GET", "/account")
    assert (refused.status, refused.code) == (403, "user.not_active")
    internal = await backend.call("GET", f"/api/v1/internal/users/{ada.user_id}")
    assert internal.body["status"] == "blocked"

    # Whoever asks for codes, and has none, sees what they see of anybody.
    asked = {}
    for email in (EMAIL, "bob@example.org", "nobody@example.org"):
        sent = await backend.call("POST", "/api/v1/public/auth/send-email-code", {"email": email})
        challenge = sent.body["challenge_id"]
        tried = await backend.confirm(challenge, _wrong(await backend.read_code(redis, challenge)))
        asked[email] = (sent.status, set(sent.body), tried.status, tried.code, tried.body["error"]["details"])
        if email == EMAIL:
            right = await backend.confirm(challenge, await backend.read_code(redis, challenge))
            assert (right.status, right.code) == (403, "auth.account_blocked")
    assert asked[EMAIL] == asked["bob@example.org"] == asked["nobody@example.org"]


async def test_a_block_takes_back_what_the_player_waits_for(backend, redis):
    ada, bob = [await backend.sign_in(redis, email) for email in (EMAIL, "bob@example.org")]
    token = await backend.operator_token()
    await _admin(backend, token, "/engine-versions", {"version": "1.0.0", "image": "galaxy/game:1.0.0"})
    new = {"name": "Sol", "race_name": "Terrans", "max_players": 4}
    made = await backend.as_player(bob, "POST", "/games", new)
    assert made.status == 201, made.body
    game = f"/games/{made.body['game_id']}"
    await backend.as_player(bob, "POST", f"{game}/open")
    applied = await backend.as_player(ada, "POST", f"{game}/applications", {"race_name": "Vulcans"})
    assert applied.status == 201, applied.body
    await _admin(backend, token, f"/users/{ada.user_id}/block", {})
    await _admin(backend, token, f"/users/{ada.user_id}/unblock")
    left = await backend.as_player(bob, "GET", f"{game}/applications")
    assert [row["status"] for row in left.body["items"]] == ["withdrawn"]


async def test_an_unblocked_player_signs_in_anew_and_what_ended_stays_over(backend, redis):
    ada = await backend.sign_in(redis, EMAIL)
    token = await backend.operator_token()
    await _admin(backend, token, f"/users/{ada.user_id}/block", {})
    unblocked = await _admin(backend, token, f"/users/{ada.user_id}/unblock")
    assert (unblocked.status, unblocked.body["status"]) == (200, "active")
    assert await _status(backend, ada.device_session_id) == "revoked"
    again = await backend.sign_in(redis, EMAIL)
    assert again.user_id == ada.user_id
    assert await _status(backend, again.device_session_id) == "active"


async def test_a_sign_in_whose_answer_was_lost_is_not_repeated_to_a_blocked_player(backend, redis):
    challenge, key = await backend.ask_code(EMAIL), new_public_key()
    code = await backend.read_code(redis, challenge)
    user_id = (await backend.confirm(challenge, code, key)).body["user_id"]
    await _admin(backend, await backend.operator_token(), f"/users/{user_id}/block", {})
    repeated = await backend.confirm(challenge, code, key)
    assert (repeated.status, repeated.code) == (403, "auth.account_blocked")


async def test_of_a_block_and_a_sign_in_at_once_no_session_is_left(backend, redis):
    ada = await backend.sign_in(redis, EMAIL)
    token = await backend.operator_token()
    challenge = await backend.ask_code(EMAIL)
    code = await backend.read_code(redis, challenge)
    blocked, confirmed = await asyncio.gather(
        _admin(backend, token, f"/users/{ada.user_id}/block", {}), backend.confirm(challenge, code)
    )
    assert blocked.status == 200
    assert confirmed.status in {200, 403}
    async with backend.database() as connection:
        rows = await connection.fetch("SELECT device_session_id::text AS id, status FROM device_sessions")
    assert {row["status"] for row in rows} == {"revoked"}
    assert {await _status(backend, row["id"]) for row in rows} == {"revoked"}


async def test_a_deleted_account_is_not_blocked(backend, redis):
    ada = await backend.sign_in(redis, EMAIL)
    assert (await backend.as_player(ada, "POST", "/account/delete")).status in {200, 204}
    token = await backend.operator_token()
    for act in ("block", "unblock"):
        reply = await _admin(backend, token, f"/users/{ada.user_id}/{act}", {} if act == "block" else None)
        assert (reply.status, reply.code) == (409, "user.deleted")
