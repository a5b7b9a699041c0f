"""Operators over HTTP: signing in, lock-out, authenticators, roles, the audit log."""

import asyncio
from datetime import timedelta

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.admin.model import Role
from backend.admin.passwords import Passwords, new_totp_secret, totp_step
from backend.tests.driving import OPERATOR_PASSWORD, Reply, RunningBackend
from kit.testing import ManualClock

pytestmark = pytest.mark.stores


async def _login(
    backend: RunningBackend, user: str = "root", password: str = OPERATOR_PASSWORD, totp: str | None = None
) -> Reply:
    body = {"user": user, "password": password, "totp": totp}
    return await backend.call("POST", "/api/v1/admin/login", body, token=None)


async def _admin(
    backend: RunningBackend, token: str | None, method: str, path: str, json: object = None
) -> Reply:
    return await backend.call(method, f"/api/v1/admin{path}", json, token=token)


async def test_the_first_operator_is_an_owner_and_made_once(settings, run_backend):
    """backend-runbook:65-68 made from the settings once, its password changed through the admin surface."""
    async with run_backend(settings) as first:
        token = await first.operator_token()
        me = await _admin(first, token, "GET", "/me")
        assert (me.body["login"], me.body["role"]) == ("root", "owner")
        changed = {"current_password": OPERATOR_PASSWORD, "new_password": "a much better one"}
        assert (await _admin(first, token, "POST", "/me/password", changed)).status == 200
    async with run_backend(settings) as second:
        assert (await _login(second)).status == 401
        assert (await _login(second, password="a much better one")).status == 200


async def test_without_a_session_nothing_is_answered_and_login_tells_nothing(backend):
    for token in (None, "wrong", ""):
        reply = await _admin(backend, token, "GET", "/me")
        assert (reply.status, reply.code) == (401, "admin.unauthenticated")
    unknown = await _login(backend, user="nobody")
    wrong = await _login(backend, password="wrong password")
    assert unknown.status == wrong.status == 401
    assert unknown.body["error"]["message"] == wrong.body["error"]["message"]


async def test_a_session_ends_after_thirty_idle_minutes_or_twelve_hours(backend, clock):
    token = await backend.operator_token()
    for _ in range(3):
        clock.advance(timedelta(minutes=29))
        assert (await _admin(backend, token, "GET", "/me")).status == 200
    clock.advance(timedelta(minutes=31))
    assert (await _admin(backend, token, "GET", "/me")).status == 401
    token = await backend.operator_token()
    for _ in range(25):
        clock.advance(timedelta(minutes=28, seconds=40))
        assert (await _admin(backend, token, "GET", "/me")).status == 200
    clock.advance(timedelta(minutes=5))
    assert (await _admin(backend, token, "GET", "/me")).status == 401


async def test_logout_ends_the_session(backend):
    token = await backend.operator_token()
    assert (await _admin(backend, token, "POST", "/logout")).status == 200
    assert (await _admin(backend, token, "GET", "/me")).status == 401


async def test_the_fifth_wrong_password_locks_out_for_a_minute_also_when_all_come_at_once(backend, clock):
    replies = await asyncio.gather(*(_login(backend, password=f"wrong {n}") for n in range(8)))
    assert sorted(reply.status for reply in replies) == [401] * 5 + [429] * 3
    locked = await _login(backend)
    assert (locked.status, locked.code) == (429, "admin.locked_out")
    assert 0 < int(locked.headers["Retry-After"]) <= 61
    clock.advance(timedelta(seconds=61))
    assert (await _login(backend)).status == 200


async def test_a_password_change_ends_the_operators_other_sessions(backend):
    mine, other = await backend.operator_token(), await backend.operator_token()
    wrong = {"current_password": "no", "new_password": "long enough to count"}
    assert (await _admin(backend, mine, "POST", "/me/password", wrong)).code == "admin.password_wrong"
    short = {"current_password": OPERATOR_PASSWORD, "new_password": "short"}
    assert (await _admin(backend, mine, "POST", "/me/password", short)).status == 422
    right = {"current_password": OPERATOR_PASSWORD, "new_password": "long enough to count"}
    assert (await _admin(backend, mine, "POST", "/me/password", right)).status == 200
    assert (await _admin(backend, mine, "GET", "/me")).status == 200
    assert (await _admin(backend, other, "GET", "/me")).status == 401


async def test_an_authenticator_is_asked_for_once_it_was_shown_and_no_code_works_twice(backend, clock):
    token = await backend.operator_token()
    begun = await _admin(backend, token, "POST", "/me/totp")
    totp = pyotp.TOTP(begun.body["secret"])
    assert begun.body["provisioning_uri"].startswith("otpauth://totp/Galaxy:root?secret=")
    assert (await _login(backend)).status == 200
    wrong = await _admin(backend, token, "POST", "/me/totp/enable", {"code": "000000"})
    assert wrong.code == "admin.totp_wrong"  # but for once in a million
    code = totp.at(clock.now())
    enabled = await _admin(backend, token, "POST", "/me/totp/enable", {"code": code})
    assert enabled.body["totp_enabled"] is True
    assert (await _login(backend)).code == "admin.totp_required"
    assert (await _login(backend, totp=code)).status == 401
    clock.advance(timedelta(seconds=30))
    fresh = totp.at(clock.now())
    replies = await asyncio.gather(*(_login(backend, totp=fresh) for _ in range(3)))
    assert sorted(reply.status for reply in replies) == [200, 401, 401]
    async with backend.database() as connection:
        assert begun.body["secret"] not in await connection.fetchval(
            "SELECT totp_secret_sealed FROM operators"
        )
    disabled = await _admin(backend, token, "POST", "/me/totp/disable", {"password": OPERATOR_PASSWORD})
    assert disabled.body["totp_enabled"] is False
    assert (await _login(backend)).status == 200


async def test_passwords_are_kept_as_argon2id_and_an_unknown_one_takes_as_long():
    passwords = Passwords()
    stored = await passwords.hash("correct horse battery")
    assert stored.startswith("$argon2id$")
    assert await passwords.matches("correct horse battery", stored)
    assert not await passwords.matches("wrong", stored)
    assert not await passwords.matches("nobody has this password", None)
    assert not await passwords.matches("anything", "no hash at all")


@given(st.integers(-4, 4))
def test_a_code_counts_one_step_either_side_of_now(distance):
    secret, clock = new_totp_secret(), ManualClock()
    present = int(clock.now().timestamp()) // 30
    code = pyotp.TOTP(secret).generate_otp(present + distance)
    found = totp_step(secret, code, clock.now(), after_step=0)
    if abs(distance) <= 1:
        assert found is not None
        assert totp_step(secret, code, clock.now(), after_step=found) is None
    elif found is not None:  # two steps may share a code, once in a million
        assert pyotp.TOTP(secret).generate_otp(found) == code


@given(st.sampled_from(Role), st.sampled_from(Role))
def test_roles_form_a_ladder(one, other):
    assert one.includes(other) or other.includes(one)
    assert one.includes(one)
    assert (one.includes(other) and other.includes(one)) == (one is other)


async def test_roles_decide_what_may_be_done(backend):
    owner = await backend.operator_token()
    tokens = {}
    for role in ("viewer", "operator"):
        made = {"login": role, "password": "a password for tests", "role": role}
        assert (await _admin(backend, owner, "POST", "/operators", made)).status == 200
        tokens[role] = await backend.operator_token(role, "a password for tests")
    taken = {"login": "viewer", "password": "a password for tests", "role": "owner"}
    assert (await _admin(backend, owner, "POST", "/operators", taken)).code == "admin.login_taken"
    nobody = "01890000-0000-7000-8000-000000000000"
    expected = {
        ("GET", "/users", None): (200, 200),
        ("GET", "/audit", None): (200, 200),
        ("POST", f"/users/{nobody}/sessions/revoke", None): (403, 404),
        ("POST", f"/users/{nobody}/block", "{}"): (403, 404),
        ("POST", f"/users/{nobody}/unblock", None): (403, 404),
        ("POST", f"/outbox/{nobody}/rearm", None): (403, 404),
        ("POST", "/operators", '{"login": "x", "password": "a password for tests", "role": "owner"}'): (
            403,
            403,
        ),
        ("PATCH", "/operators/root", '{"disabled": true}'): (403, 403),
    }
    for (method, path, body), statuses in expected.items():
        for role, status in zip(("viewer", "operator"), statuses, strict=True):
            reply = await backend.call(
                method,
                f"/api/v1/admin{path}",
                token=tokens[role],
                data=body.encode() if body else None,
                headers={"Content-Type": "application/json"},
            )
            assert reply.status == status, (path, role)


async def test_an_owner_must_remain_and_a_disabled_operator_is_out(backend):
    owner = await backend.operator_token()
    assert (
        await _admin(backend, owner, "PATCH", "/operators/root", {"disabled": True})
    ).code == "admin.last_owner"
    assert (
        await _admin(backend, owner, "PATCH", "/operators/root", {"role": "viewer"})
    ).code == "admin.last_owner"
    second = {"login": "second", "password": "a password for tests", "role": "owner"}
    await _admin(backend, owner, "POST", "/operators", second)
    token = await backend.operator_token("second", "a password for tests")
    replies = await asyncio.gather(
        _admin(backend, token, "PATCH", "/operators/root", {"disabled": True}),
        _admin(backend, owner, "PATCH", "/operators/second", {"disabled": True}),
    )
    assert sorted(reply.status for reply in replies) in ([200, 401], [200, 409])
    listed = next(reply for reply in replies if reply.status == 200).body["login"]
    gone = {"root": owner, "second": token}[listed]
    assert (await _admin(backend, gone, "GET", "/me")).status == 401


async def test_an_operator_looks_players_up_signs_them_out_and_it_is_written_down(backend, redis):
    ada = await backend.sign_in(redis, "ada@example.org")
    await backend.sign_in(redis, "bob@example.org")
    token = await backend.operator_token()
    found = await _admin(backend, token, "GET", "/users?search=ADA@")
    assert [row["user_id"] for row in found.body["items"]] == [ada.user_id]
    assert (await _admin(backend, token, "GET", "/users?page=2&page_size=1")).body["total"] == 2
    shown = await _admin(backend, token, "GET", f"/users/{ada.user_id}")
    assert [row["device_session_id"] for row in shown.body["sessions"]] == [ada.device_session_id]
    done = await _admin(backend, token, "POST", f"/users/{ada.user_id}/sessions/revoke")
    assert done.body == {"revoked": 1}
    again = await _admin(backend, token, "POST", f"/users/{ada.user_id}/sessions/revoke")
    assert again.body == {"revoked": 0}, "those that were over are not counted again"
    session = await backend.call("GET", f"/api/v1/internal/sessions/{ada.device_session_id}")
    assert session.body["status"] == "revoked"
    newest = (await _admin(backend, token, "GET", "/audit")).body["items"][1]
    assert newest["action"] == "user.sessions_revoked"
    assert newest["target"] == ada.user_id
    assert newest["login"] == "root"
    assert newest["details"] == {"revoked": 1}
    assert newest["request_id"]


async def test_each_call_that_changes_something_is_an_audit_row_and_a_refused_one_is_none(backend, redis):
    ada = await backend.sign_in(redis, "ada@example.org")
    token = await backend.operator_token()

    async def actions() -> list[str]:
        rows = await _admin(backend, token, "GET", "/audit?page_size=200")
        return [row["action"] for row in rows.body["items"]]

    missing = "01890000-0000-7000-8000-000000000000"
    new_password = {"current_password": OPERATOR_PASSWORD, "new_password": "another long one"}
    login_again = {"current_password": "another long one", "new_password": OPERATOR_PASSWORD}
    second = {"login": "second", "password": "a password for tests", "role": "viewer"}
    for method, path, body, action in (
        ("POST", f"/users/{ada.user_id}/sessions/revoke", None, "user.sessions_revoked"),
        ("POST", f"/users/{ada.user_id}/unblock", None, None),
        ("POST", f"/users/{ada.user_id}/block", {"reason": "spam"}, "user.blocked"),
        ("POST", f"/users/{ada.user_id}/block", {}, None),
        ("POST", f"/users/{ada.user_id}/unblock", None, "user.unblocked"),
        ("POST", "/operators", second, "operator.created"),
        ("PATCH", "/operators/second", {"role": "operator"}, "operator.changed"),
        ("POST", "/me/password", new_password, "operator.password_changed"),
        ("POST", "/me/password", login_again, "operator.password_changed"),
        ("POST", "/me/totp", None, "operator.totp_begun"),
        ("POST", "/operators", second, None),
        ("PATCH", "/operators/root", {"disabled": True}, None),
        ("POST", f"/outbox/{missing}/rearm", None, None),
        ("POST", f"/users/{missing}/sessions/revoke", None, None),
        ("POST", f"/users/{missing}/block", {}, None),
    ):
        before = await actions()
        reply = await _admin(backend, token, method, path, body)
        again = path.endswith("block") and missing not in path and action is None  # nothing left to change
        assert (reply.status == 200) == (action is not None or again), (path, reply)
        assert await actions() == ([action, *before] if action else before), path


async def test_a_password_that_is_no_text_is_refused_and_no_defect(backend):
    for body in (b'{"user": "root", "password": "\\ud800"}', b'{"user": "nobody", "password": "\\ud800"}'):
        headers = {"Content-Type": "application/json"}
        answer = await backend.call("POST", "/api/v1/admin/login", token=None, data=body, headers=headers)
        assert (answer.status, answer.code) == (422, "invalid_request")
