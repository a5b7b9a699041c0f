"""How many codes may be asked for, and when mail is said to be late."""

import asyncio
from datetime import timedelta

import pytest

from backend.tests.driving import NOTIFICATION_TOKEN, Reply, RunningBackend

pytestmark = pytest.mark.stores
SEND = "/api/v1/public/auth/send-email-code"


@pytest.fixture
def settings(make_settings, backend_dsn):
    return make_settings(backend_dsn, auth={"codes_per_address_hour": 3, "codes_per_ip_hour": 5})


async def _send(backend: RunningBackend, email: str, address: str = "192.0.2.1") -> Reply:
    return await backend.call("POST", SEND, {"email": email}, headers={"X-Forwarded-For": address})


async def test_the_fourth_code_to_one_address_in_an_hour_is_refused_and_later_allowed_again(backend, clock):
    for n in range(3):
        assert (await _send(backend, "ada@example.org", f"192.0.2.{n}")).status == 200
        clock.advance(timedelta(minutes=1))
    refused = await _send(backend, "Ada@Example.Org", "192.0.2.9")
    assert (refused.status, refused.code) == (429, "auth.too_many_codes")
    assert int(refused.headers["Retry-After"]) == 57 * 60 + 1
    assert refused.body["error"]["details"] == {}
    clock.advance(timedelta(minutes=58))
    assert (await _send(backend, "ada@example.org", "192.0.2.9")).status == 200


async def test_the_sixth_code_from_one_address_of_the_net_is_refused(backend):
    for n in range(5):
        assert (await _send(backend, f"user{n}@example.org")).status == 200
    assert (await _send(backend, "user5@example.org")).status == 429
    assert (await _send(backend, "user5@example.org", "::ffff:192.0.2.1")).status == 429
    assert (await _send(backend, "user5@example.org", "192.0.2.2")).status == 200


async def test_a_limit_cannot_be_outrun_by_asking_at_once(backend):
    replies = await asyncio.gather(*(_send(backend, "ada@example.org", f"192.0.2.{n}") for n in range(9)))
    assert sorted(reply.status for reply in replies) == [200] * 3 + [429] * 6


async def test_known_and_unknown_addresses_meet_the_same_limit(backend, redis):
    await backend.sign_in(redis, "ada@example.org")
    for _ in range(2):
        await _send(backend, "ada@example.org", "192.0.2.2")
    for _ in range(3):
        await _send(backend, "bob@example.org", "192.0.2.3")
    known = await _send(backend, "ada@example.org", "192.0.2.4")
    unknown = await _send(backend, "bob@example.org", "192.0.2.5")
    assert known.status == unknown.status == 429
    assert known.body["error"]["message"] == unknown.body["error"]["message"]


async def test_without_the_gateways_token_the_forwarded_address_is_hearsay(backend):
    """backend-runbook:145-146."""
    for n in range(5):
        reply = await backend.call(
            "POST",
            SEND,
            {"email": f"user{n}@example.org"},
            token=NOTIFICATION_TOKEN,
            headers={"X-Forwarded-For": f"192.0.2.{n}"},
        )
        assert reply.status == 200
    late = await backend.call(
        "POST",
        SEND,
        {"email": "user5@example.org"},
        token=NOTIFICATION_TOKEN,
        headers={"X-Forwarded-For": "192.0.2.200"},
    )
    assert late.status == 429


async def test_sign_in_says_that_mail_is_delayed_while_codes_cannot_leave(
    make_settings, run_backend, backend_dsn
):
    settings = make_settings(
        backend_dsn, redis={"master_addr": "127.0.0.1:1"}, auth={"mail_delayed_after": "50ms"}
    )
    async with run_backend(settings) as backend:
        first = await _send(backend, "ada@example.org")
        assert first.body["mail_delayed"] is False
        async with backend.database() as connection:
            await connection.execute("UPDATE outbox SET created_at = created_at - interval '1 minute'")
        second = await _send(backend, "bob@example.org")
        assert second.body["mail_delayed"] is True


async def test_all_addresses_of_one_ipv6_network_share_one_limit(backend):
    for n in range(5):
        assert (await _send(backend, f"user{n}@example.org", f"2001:db8:0:1::{n}")).status == 200
    assert (await _send(backend, "user5@example.org", "2001:db8:0:1:ffff::1")).status == 429
    assert (await _send(backend, "user5@example.org", "2001:db8:0:2::1")).status == 200
