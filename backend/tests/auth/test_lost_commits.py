"""A commit whose answer never came: its rows stand, and neither caches nor gateways were told."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from backend.leadership.transactions import FencedTransactions
from backend.tests.auth.test_links import link_of, second_device
from backend.tests.driving import RunningBackend, new_public_key
from kit.postgres import Database, PostgresUnavailable
from kit.testing import eventually

pytestmark = pytest.mark.stores

_TOUCHED = "SELECT EXISTS (SELECT FROM device_sessions WHERE xmin = pg_current_xact_id()::xid)"


@pytest.fixture
def lose_answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[type, str], None]:
    """Return a function that makes a door to Postgres commit the next change of a session and then say "unavailable"."""

    def arm(owner: type, door: str) -> None:
        real = getattr(owner, door)

        @asynccontextmanager
        async def losing(self: Any) -> AsyncIterator[Any]:
            touched = False
            async with real(self) as connection:
                yield connection
                touched = await connection.fetchval(_TOUCHED)
            if touched:
                monkeypatch.setattr(owner, door, real)
                raise PostgresUnavailable("the answer to COMMIT was lost")

        monkeypatch.setattr(owner, door, losing)

    return arm


@pytest.fixture
def lose_unnoticed(lose_answer):
    """Lose the answer above the fence, which then asks for no reload: what heals is the repeat alone."""
    return lambda: lose_answer(FencedTransactions, "write")


async def _status(backend: RunningBackend, session_id: str) -> str | None:
    reply = await backend.call("GET", f"/api/v1/internal/sessions/{session_id}")
    status: str | None = reply.body.get("status")
    return status


async def test_a_lost_revoke_reaches_the_cache_without_a_repeat(backend, redis, lose_answer):
    player = await backend.sign_in(redis, "ada@example.org")
    lose_answer(Database, "transaction")
    reply = await backend.as_player(player, "POST", f"/sessions/{player.device_session_id}/revoke")
    assert reply.status == 503

    async def ended() -> bool:
        return await _status(backend, player.device_session_id) == "revoked"

    await eventually(ended)


async def test_a_lost_sign_in_reaches_the_caches_without_a_repeat(backend, redis, lose_answer):
    challenge = await backend.ask_code("ada@example.org")
    code = await backend.read_code(redis, challenge)
    lose_answer(Database, "transaction")
    assert (await backend.confirm(challenge, code)).status == 503
    async with backend.database() as connection:
        session_id = await connection.fetchval("SELECT device_session_id::text FROM device_sessions")

    async def known() -> bool:
        return await _status(backend, session_id) == "active"

    await eventually(known)


async def test_repeating_a_lost_revoke_ends_the_session(backend, redis, lose_unnoticed):
    player = await backend.sign_in(redis, "ada@example.org")
    path = f"/api/v1/internal/sessions/{player.device_session_id}/revoke"
    lose_unnoticed()
    assert (await backend.call("POST", path, {"reason": "revoked_by_user"})).status == 503
    again = await backend.call("POST", path, {"reason": "revoked_by_user"})
    assert again.status == 200
    assert again.body["status"] == "revoked"
    assert await _status(backend, player.device_session_id) == "revoked"


async def test_repeating_a_lost_revoke_all_ends_every_session(backend, redis, lose_unnoticed):
    devices = [await backend.sign_in(redis, "ada@example.org") for _ in range(2)]
    lose_unnoticed()
    assert (await backend.as_player(devices[0], "POST", "/sessions/revoke-all")).status == 503
    again = await backend.as_player(devices[0], "POST", "/sessions/revoke-all")
    assert again.body == {"revoked": 0}
    assert {await _status(backend, device.device_session_id) for device in devices} == {"revoked"}


async def test_repeating_a_lost_link_signs_out_everywhere(backend, redis, lose_unnoticed):
    player = await second_device(backend, redis)
    _, link = await link_of(backend, redis, player)
    lose_unnoticed()
    assert (await backend.call("POST", link)).status == 503
    assert (await backend.call("POST", link)).status == 200
    assert await _status(backend, player.device_session_id) == "revoked"


async def test_repeating_a_lost_sign_in_gives_a_session_that_serves(backend, redis, lose_unnoticed):
    challenge = await backend.ask_code("ada@example.org")
    code, key = await backend.read_code(redis, challenge), new_public_key()
    lose_unnoticed()
    assert (await backend.confirm(challenge, code, key)).status == 503
    again = await backend.confirm(challenge, code, key)
    assert again.status == 200
    assert again.body["new_account"] is True
    assert await _status(backend, again.body["device_session_id"]) == "active"
