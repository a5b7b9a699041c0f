"""Device sessions: looking up, listing, naming, ending, forgetting."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from backend.tests.driving import NOTIFICATION_TOKEN, RunningBackend
from kit.testing import eventually

pytestmark = pytest.mark.stores
NOWHERE = "01890000-0000-7000-8000-000000000000"


async def _status(backend: RunningBackend, session_id: str) -> str:
    reply = await backend.call("GET", f"/api/v1/internal/sessions/{session_id}")
    return str(reply.body["status"])


async def test_an_unknown_session_is_not_found(backend):
    reply = await backend.call("GET", f"/api/v1/internal/sessions/{NOWHERE}")
    assert (reply.status, reply.code) == (404, "session.not_found")


async def test_a_player_lists_names_and_ends_their_own_devices(backend, redis):
    phone = await backend.sign_in(redis, "ada@example.org", device_name="phone")
    laptop = await backend.sign_in(redis, "ada@example.org", device_name="laptop")
    listed = await backend.as_player(laptop, "GET", "/sessions")
    assert [(row["device_name"], row["current"]) for row in listed.body["items"]] == [
        ("laptop", True),
        ("phone", False),
    ]
    assert listed.body["total"] == 2
    path = f"/sessions/{phone.device_session_id}"
    renamed = await backend.as_player(laptop, "PATCH", path, {"device_name": "old phone"})
    assert renamed.body["device_name"] == "old phone"
    ended = await backend.as_player(laptop, "POST", f"{path}/revoke")
    assert ended.body["status"] == "revoked"
    assert await _status(backend, phone.device_session_id) == "revoked"
    again = await backend.as_player(laptop, "POST", f"{path}/revoke")
    assert again.body == ended.body
    assert len((await backend.as_player(laptop, "GET", "/sessions")).body["items"]) == 1


async def test_nobody_touches_the_sessions_of_others(backend, redis):
    ada = await backend.sign_in(redis, "ada@example.org")
    bob = await backend.sign_in(redis, "bob@example.org")
    path = f"/sessions/{ada.device_session_id}"
    assert (await backend.as_player(bob, "POST", f"{path}/revoke")).status == 404
    assert (await backend.as_player(bob, "PATCH", path, {"device_name": "mine"})).status == 404
    assert await _status(backend, ada.device_session_id) == "active"


async def test_revoke_all_ends_every_device_and_tells_how_many(backend, redis):
    devices = [await backend.sign_in(redis, "ada@example.org") for _ in range(3)]
    reply = await backend.as_player(devices[0], "POST", "/sessions/revoke-all")
    assert reply.body == {"revoked": 3}
    for device in devices:
        assert await _status(backend, device.device_session_id) == "revoked"


async def test_other_services_may_end_sessions(backend, redis):
    one = await backend.sign_in(redis, "ada@example.org")
    await backend.sign_in(redis, "ada@example.org")
    reply = await backend.call(
        "POST",
        f"/api/v1/internal/sessions/{one.device_session_id}/revoke",
        {"reason": "revoked_by_operator"},
        token=NOTIFICATION_TOKEN,
    )
    assert reply.body["status"] == "revoked"
    rest = await backend.call(
        "POST", f"/api/v1/internal/users/{one.user_id}/sessions/revoke", {"reason": "revoked_by_operator"}
    )
    assert rest.body == {"revoked": 1}


async def test_the_twenty_first_session_ends_the_longest_unused(
    make_settings, run_backend, backend_dsn, redis, clock
):
    settings = make_settings(backend_dsn, auth={"sessions_per_user": 3})
    async with run_backend(settings, clock) as backend:
        devices = []
        for _ in range(3):
            devices.append(await backend.sign_in(redis, "ada@example.org"))
            clock.advance(timedelta(minutes=5))
        await _status(backend, devices[0].device_session_id)  # its use makes the second one the oldest
        async with backend.database() as connection:

            async def noted():
                return await connection.fetchval(
                    "SELECT last_used_at > created_at FROM device_sessions WHERE device_session_id = $1",
                    devices[0].device_session_id,
                )

            await eventually(noted)
        clock.advance(timedelta(minutes=5))
        devices.append(await backend.sign_in(redis, "ada@example.org"))
        statuses = [await _status(backend, device.device_session_id) for device in devices]
        assert statuses == ["active", "revoked", "active", "active"]


async def test_a_session_unused_for_thirty_days_counts_as_revoked_and_is_ended(backend, redis, clock):
    player = await backend.sign_in(redis, "ada@example.org")
    clock.advance(timedelta(days=29))
    assert await _status(backend, player.device_session_id) == "active"
    async with backend.database() as connection:

        async def noted():
            return await connection.fetchval("SELECT last_used_at > created_at FROM device_sessions")

        await eventually(noted)
    clock.advance(timedelta(days=29))
    assert await _status(backend, player.device_session_id) == "active"
    clock.advance(timedelta(days=31))
    reply = await backend.call("GET", f"/api/v1/internal/sessions/{player.device_session_id}")
    assert reply.body["status"] == "revoked"
    assert reply.body["revoked_at"] is not None


async def test_use_is_noted_at_most_once_a_minute(backend, redis, clock):
    player = await backend.sign_in(redis, "ada@example.org")
    async with backend.database() as connection:
        version = "SELECT version FROM device_sessions"
        before = await connection.fetchval(version)
        for _ in range(20):
            await _status(backend, player.device_session_id)
        clock.advance(timedelta(seconds=61))
        for _ in range(20):
            await _status(backend, player.device_session_id)

        async def noted():
            return await connection.fetchval(version) > before

        await eventually(noted)
        assert await connection.fetchval(version) == before + 1


async def test_ending_one_session_from_many_sides_at_once_announces_it_once(backend, redis):
    player = await backend.sign_in(redis, "ada@example.org")
    path = f"/api/v1/internal/sessions/{player.device_session_id}/revoke"
    replies = await asyncio.gather(
        *(backend.call("POST", path, {"reason": "revoked_by_user"}) for _ in range(8)),
        backend.as_player(player, "POST", "/sessions/revoke-all"),
    )
    assert all(reply.status == 200 for reply in replies)
    async with backend.database() as connection:
        assert await connection.fetchval("SELECT version FROM device_sessions") == 2


async def test_the_cache_survives_a_restart_because_it_is_read_whole(settings, run_backend, redis):
    """backend-runbook:86-87 every cache reads its full table at startup. backend-runbook:90-91."""
    async with run_backend(settings) as first:
        player = await first.sign_in(redis, "ada@example.org")
        ended = await first.sign_in(redis, "ada@example.org")
        await first.as_player(player, "POST", f"/sessions/{ended.device_session_id}/revoke")
    async with run_backend(settings) as second:
        assert await _status(second, player.device_session_id) == "active"
        assert await _status(second, ended.device_session_id) == "revoked"


async def test_session_events_reach_their_stream_when_one_is_set(
    make_settings, run_backend, backend_dsn, redis
):
    settings = make_settings(backend_dsn, session_events_redis_stream="gateway:session-events")
    async with run_backend(settings) as backend:
        player = await backend.sign_in(redis, "ada@example.org")
        await backend.as_player(player, "POST", f"/sessions/{player.device_session_id}/revoke")

        async def both() -> Any:
            found = await redis.xrange(settings.redis.key("gateway:session-events"))
            return [fields for _, fields in found] if len(found) == 2 else None

        await eventually(both)
        begun, ended = await both()
        assert begun[b"status"] == b"active"
        assert begun[b"revoked_at"] == b""
        assert ended[b"status"] == b"revoked"
        assert ended[b"device_session_id"].decode() == player.device_session_id
        assert ended[b"user_id"].decode() == player.user_id
        assert ended[b"revoked_at"].endswith(b"Z")


async def test_without_a_session_stream_nothing_is_written_for_it(backend, redis):
    await backend.sign_in(redis, "ada@example.org")
    async with backend.database() as connection:
        kinds = [row["kind"] for row in await connection.fetch("SELECT DISTINCT kind FROM outbox")]
    assert "session.event" not in kinds
