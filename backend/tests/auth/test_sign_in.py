"""Sign-in over HTTP, from the question for a code to the first request of the session."""

import asyncio
import base64
from datetime import timedelta

import orjson
import pytest

from backend.auth.secrets import AuthSecrets
from backend.tests.driving import new_public_key
from kit.testing import eventually

pytestmark = pytest.mark.stores


async def test_a_code_from_the_mailbox_makes_an_account_and_a_session(backend, redis):
    player = await backend.sign_in(redis, "Ada@Example.org")
    session = await backend.call("GET", f"/api/v1/internal/sessions/{player.device_session_id}")
    assert session.status == 200
    assert session.body["status"] == "active"
    assert session.body["user_id"] == player.user_id
    assert session.body["client_public_key"] == player.public_key
    account = await backend.as_player(player, "GET", "/account")
    assert account.status == 200
    assert account.body["email"] == "ada@example.org"
    assert account.body["time_zone"] == "Europe/Berlin"


async def test_the_second_sign_in_finds_the_account_of_the_first(backend, redis):
    first = await backend.sign_in(redis, "ada@example.org")
    challenge = await backend.ask_code("ADA@EXAMPLE.ORG")
    reply = await backend.confirm(challenge, await backend.read_code(redis, challenge), time_zone="UTC")
    assert reply.body["user_id"] == first.user_id
    assert reply.body["new_account"] is False
    account = await backend.as_player(first, "GET", "/account")
    assert account.body["time_zone"] == "Europe/Berlin"


async def test_the_answer_is_the_same_whoever_the_address_belongs_to(backend, redis):
    await backend.sign_in(redis, "ada@example.org")
    known = await backend.call("POST", "/api/v1/public/auth/send-email-code", {"email": "ada@example.org"})
    unknown = await backend.call("POST", "/api/v1/public/auth/send-email-code", {"email": "bob@example.org"})
    assert known.status == unknown.status == 200
    assert known.body.keys() == unknown.body.keys() == {"challenge_id", "expires_at", "mail_delayed"}
    assert known.body["mail_delayed"] is unknown.body["mail_delayed"] is False


async def test_the_code_rests_sealed_in_the_outbox_and_on_the_stream_and_is_erased_at_the_end(backend, redis):
    challenge = await backend.ask_code("ada@example.org")
    code = await backend.read_code(redis, challenge)
    entries = await redis.xrange(backend.settings.redis.key("mail:delivery_commands"))
    fields = {key.decode(): value.decode() for key, value in entries[0][1].items()}
    assert fields["sealed"] == "1"
    assert fields["to"] == "ada@example.org"
    assert fields["template_id"] == "auth.sign_in_code"
    assert fields["expires_at"].endswith("Z")
    assert code not in orjson.dumps(fields).decode()
    async with backend.database() as connection:

        async def erased():
            row = await connection.fetchrow("SELECT state, fields FROM outbox WHERE lane = 'mail'")
            return row["state"] == "published" and "variables_json" not in orjson.loads(row["fields"])

        await eventually(erased)
        stored = await connection.fetchval("SELECT code_hash FROM auth_challenges")
        assert code.encode() not in stored


async def test_a_wrong_code_says_how_many_tries_are_left_and_the_fifth_ends_the_challenge(backend, redis):
    challenge = await backend.ask_code("ada@example.org")
    code = await backend.read_code(redis, challenge)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    for left in (4, 3, 2, 1, 0):
        reply = await backend.confirm(challenge, wrong)
        assert (reply.status, reply.code) == (401, "auth.code_wrong")
        assert reply.body["error"]["details"]["tries_left"] == left
    late = await backend.confirm(challenge, code)
    assert (late.status, late.code) == (410, "auth.challenge_over")


async def test_tries_are_counted_when_they_come_all_at_once(backend, redis):
    challenge = await backend.ask_code("ada@example.org")
    code = await backend.read_code(redis, challenge)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    replies = await asyncio.gather(*(backend.confirm(challenge, wrong) for _ in range(12)))
    refused = [reply for reply in replies if reply.code == "auth.code_wrong"]
    assert sorted(reply.body["error"]["details"]["tries_left"] for reply in refused) == [0, 1, 2, 3, 4]
    assert all(reply.code == "auth.challenge_over" for reply in replies if reply not in refused)


async def test_two_devices_with_one_code_at_once_make_one_session(backend, redis):
    challenge = await backend.ask_code("ada@example.org")
    code = await backend.read_code(redis, challenge)
    replies = await asyncio.gather(*(backend.confirm(challenge, code) for _ in range(6)))
    assert sorted(reply.status for reply in replies) == [200, 410, 410, 410, 410, 410]
    async with backend.database() as connection:
        assert await connection.fetchval("SELECT count(*) FROM device_sessions") == 1
        assert await connection.fetchval("SELECT count(*) FROM accounts") == 1


async def test_a_device_whose_answer_was_lost_gets_the_same_session_again(backend, redis):
    challenge = await backend.ask_code("ada@example.org")
    code, key = await backend.read_code(redis, challenge), new_public_key()
    first = await backend.confirm(challenge, code, key)
    again = await backend.confirm(challenge, code, key)
    assert again.status == 200
    assert again.body == first.body
    other = await backend.confirm(challenge, code, new_public_key())
    assert other.status == 410


async def test_a_code_runs_out_after_ten_minutes(backend, redis, clock):
    challenge = await backend.ask_code("ada@example.org")
    code = await backend.read_code(redis, challenge)
    clock.advance(timedelta(minutes=10))
    reply = await backend.confirm(challenge, code)
    assert (reply.status, reply.code) == (410, "auth.challenge_over")


async def test_a_resend_replaces_the_code_before(backend, redis):
    first = await backend.ask_code("ada@example.org")
    first_code = await backend.read_code(redis, first)
    second = await backend.ask_code("ada@example.org")
    assert (await backend.confirm(first, first_code)).code == "auth.challenge_over"
    assert (await backend.confirm(second, await backend.read_code(redis, second))).status == 200


async def _ask_from(backend, address: str) -> str:
    reply = await backend.call(
        "POST",
        "/api/v1/public/auth/send-email-code",
        {"email": "ada@example.org"},
        headers={"X-Forwarded-For": address},
    )
    assert reply.status == 200, reply.body
    return str(reply.body["challenge_id"])


async def test_a_stranger_who_asks_for_codes_voids_none_that_is_on_its_way(backend, redis):
    mine = await _ask_from(backend, "192.0.2.1")
    code = await backend.read_code(redis, mine)
    strangers = await _ask_from(backend, "198.51.100.7")
    wrong = f"{(int(await backend.read_code(redis, strangers)) + 1) % 1_000_000:06d}"
    for left in (4, 3, 2, 1, 0):
        tried = await backend.confirm(strangers, wrong)
        assert tried.body["error"]["details"]["tries_left"] == left
    assert (await backend.confirm(mine, code)).status == 200


async def test_a_resend_from_the_same_network_replaces_its_own_code_alone(backend, redis):
    mine = await _ask_from(backend, "2001:db8:0:1::1")
    theirs = await _ask_from(backend, "2001:db8:0:2::1")
    mine_code, their_code = [await backend.read_code(redis, sent) for sent in (mine, theirs)]
    again = await _ask_from(backend, "2001:db8:0:1:ffff::9")
    assert (await backend.confirm(mine, mine_code)).code == "auth.challenge_over"
    assert (await backend.confirm(theirs, their_code)).status == 200
    assert (await backend.confirm(again, await backend.read_code(redis, again))).status == 200


async def test_no_more_than_three_codes_for_an_address_are_open_however_many_networks_ask(backend):
    asked = [await _ask_from(backend, f"192.0.2.{n}") for n in range(5)]
    async with backend.database() as connection:
        rows = await connection.fetch(
            "SELECT challenge_id::text AS id FROM auth_challenges WHERE state = 'open'"
        )
    assert {row["id"] for row in rows} == set(asked[-3:])


async def test_a_code_of_another_challenge_does_not_count(backend, redis, monkeypatch):
    codes = iter(("123456", "654321"))  # by chance two are equal once in a million
    monkeypatch.setattr(AuthSecrets, "new_code", lambda _: next(codes))
    mine = await backend.ask_code("ada@example.org")
    other = await backend.ask_code("bob@example.org")
    other_code = await backend.read_code(redis, other)
    assert (await backend.confirm(mine, other_code)).code == "auth.code_wrong"
    assert (await backend.confirm(other, other_code)).status == 200


async def test_an_unknown_challenge_is_over(backend):
    reply = await backend.confirm("01890000-0000-7000-8000-000000000000", "123456")
    assert (reply.status, reply.code) == (410, "auth.challenge_over")


@pytest.mark.parametrize(
    "changes",
    [
        {"client_public_key": "c2hvcnQ="},
        {"client_public_key": "not base64!"},
        {"device_name": ""},
        {"device_name": "two\nlines"},
        {"time_zone": "Mars/Olympus"},
        {"code": "12345"},
        {"surprise": 1},
    ],
)
async def test_a_malformed_confirmation_is_refused_and_costs_no_try(backend, redis, changes):
    challenge = await backend.ask_code("ada@example.org")
    code = await backend.read_code(redis, challenge)
    assert (await backend.confirm(challenge, **{"code": code, **changes})).status == 422
    assert (await backend.confirm(challenge, code)).status == 200


@pytest.mark.parametrize(
    "email", ["", "ada", "@example.org", "a b@example.org", "ada@", "ada@-x-", "x" * 400]
)
async def test_what_is_no_address_is_refused(backend, email):
    reply = await backend.call("POST", "/api/v1/public/auth/send-email-code", {"email": email})
    assert reply.status == 422


async def test_a_blocked_account_cannot_sign_in(backend, redis):
    player = await backend.sign_in(redis, "ada@example.org")
    async with backend.database() as connection:
        await connection.execute("UPDATE accounts SET status = 'blocked' WHERE user_id = $1", player.user_id)
    challenge = await backend.ask_code("ada@example.org")
    reply = await backend.confirm(challenge, await backend.read_code(redis, challenge))
    assert (reply.status, reply.code) == (403, "auth.account_blocked")


async def test_the_declared_country_is_set_once_at_registration(
    make_settings, run_backend, backend_dsn, redis, tmp_path
):
    """backend-runbook:138 `accounts.declared_country` is set once at registration."""
    from deploy.embedded.provision import write_geoip_fixture

    write_geoip_fixture(tmp_path / "geo.mmdb")
    settings = make_settings(backend_dsn, geoip={"db_path": str(tmp_path / "geo.mmdb")})
    async with run_backend(settings) as backend:
        for address, expected in (("192.0.2.7", "DE"), ("203.0.113.9", "DE")):
            challenge = await backend.ask_code("ada@example.org")
            code = await backend.read_code(redis, challenge)
            reply = await backend.call(
                "POST",
                "/api/v1/public/auth/confirm-email-code",
                {
                    "challenge_id": challenge,
                    "code": code,
                    "client_public_key": base64.b64encode(bytes(32)).decode(),
                    "time_zone": "UTC",
                    "device_name": "phone",
                },
                headers={"X-Forwarded-For": f"{address}, 10.0.0.1"},
            )
            assert reply.status == 200
            token = await backend.operator_token()
            shown = await backend.call("GET", f"/api/v1/admin/users/{reply.body['user_id']}", token=token)
            assert shown.body["declared_country"] == expected
        assert {session["country"] for session in shown.body["sessions"]} == {"DE", "JP"}
