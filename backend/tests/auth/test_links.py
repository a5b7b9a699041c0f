"""The way out for whoever did not sign in themselves."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from backend.tests.driving import RunningBackend, SignedInPlayer
from kit.testing import eventually

pytestmark = pytest.mark.stores


async def second_device(backend: RunningBackend, redis: Any) -> SignedInPlayer:
    """Sign Ada in twice and return the second device, which is the one that is announced."""
    await backend.sign_in(redis, "ada@example.org")
    return await backend.sign_in(redis, "ada@example.org")


async def link_of(backend: RunningBackend, redis: Any, player: SignedInPlayer) -> tuple[dict[str, Any], str]:
    stream = backend.settings.redis.key("notification:intents")

    async def found() -> Any:
        for _, fields in await redis.xrange(stream):
            if fields[b"notification_type"] == b"account.new_device" and (
                player.device_session_id in fields[b"idempotency_key"].decode()
            ):
                return fields
        return None

    await eventually(found)
    fields = await found()
    assert orjson.loads(fields[b"recipient_user_ids"]) == [player.user_id]
    payload = orjson.loads(fields[b"payload_json"])
    parts = urlsplit(payload["sign_out_url"])
    return payload, f"{parts.path}?{parts.query}"


async def test_a_new_device_is_announced_with_a_link_that_signs_out_everywhere(backend, redis):
    phone = await backend.sign_in(redis, "ada@example.org", device_name="phone")
    laptop = await backend.sign_in(redis, "ada@example.org", device_name="laptop")
    payload, link = await link_of(backend, redis, laptop)
    assert payload["device_name"] == "laptop"
    assert payload["country"] is None
    shown = await backend.call("GET", link)
    assert shown.status == 200
    assert '<form method="post">' in shown.body
    assert shown.headers["Content-Security-Policy"].startswith("default-src 'none'")
    for device in (phone, laptop):
        assert await _status(backend, device) == "active"
    done = await backend.call("POST", link)
    assert done.status == 200
    for device in (phone, laptop):
        assert await _status(backend, device) == "revoked"


async def test_the_device_that_makes_an_account_is_not_announced(backend, redis):
    """Nobody had another device that the mail could warn; whichever comes next is announced, also by way of a sign-out."""
    first = await backend.sign_in(redis, "ada@example.org")
    await backend.as_player(first, "POST", "/sessions/revoke-all")
    second = await backend.sign_in(redis, "ada@example.org")
    await link_of(backend, redis, second)
    async with backend.database() as connection:
        rows = await connection.fetch("SELECT idempotency_key FROM outbox WHERE kind = 'account.new_device'")
        assert await connection.fetchval("SELECT count(*) FROM auth_links") == 1
    assert [row["idempotency_key"] for row in rows] == [f"new_device:{second.device_session_id}"]


async def test_a_used_link_does_nothing_more(backend, redis):
    player = await second_device(backend, redis)
    _, link = await link_of(backend, redis, player)
    await backend.call("POST", link)
    later = await backend.sign_in(redis, "ada@example.org")
    assert (await backend.call("POST", link)).status == 200
    assert await _status(backend, later) == "active"


async def test_a_foreign_or_old_link_is_over(backend, redis, clock):
    player = await second_device(backend, redis)
    _, link = await link_of(backend, redis, player)
    assert (await backend.call("POST", link[:-2] + "xx")).status == 410
    for accepted, language in (("ru-RU,ru;q=0.9,en;q=0.5", "ru"), ("de, en;q=0.1", "en"), (";q=x,,*", "en")):
        shown = await backend.call("GET", link[:-2] + "xx", headers={"Accept-Language": accepted})
        assert (shown.status, f'<html lang="{language}">' in shown.body) == (410, True)
    clock.advance(timedelta(days=31))
    assert (await backend.call("GET", link)).status == 410
    assert (await backend.call("POST", link)).status == 410


async def test_the_token_rests_hashed(backend, redis):
    player = await second_device(backend, redis)
    _, link = await link_of(backend, redis, player)
    token = link.partition("token=")[2]
    async with backend.database() as connection:
        assert token.encode() not in await connection.fetchval("SELECT token_hash FROM auth_links")


async def _status(backend: RunningBackend, device: SignedInPlayer) -> str:
    reply = await backend.call("GET", f"/api/v1/internal/sessions/{device.device_session_id}")
    return str(reply.body["status"])
