"""What is past its retention goes, in batches; what it stood for does not come back."""

from datetime import timedelta

import pytest

from backend.term.retention import Purge, Retention
from backend.tests.auth.test_links import link_of
from kit.testing import eventually


async def test_batches_follow_one_another_until_one_is_not_full():
    left = {"sessions": 7, "links": 0, "keys": 6}
    asked: list[tuple[str, int]] = []

    def purge_of(name: str) -> Purge:
        async def purge(limit: int) -> int:
            deleted = min(limit, left[name])
            left[name] -= deleted
            asked.append((name, deleted))
            return deleted

        return purge

    retention = Retention({name: purge_of(name) for name in left}, batch_rows=3)
    assert await retention.run_once() == {"sessions": 7, "links": 0, "keys": 6}
    sessions, keys = [3, 3, 1], [3, 3, 0]
    assert [n for name, n in asked if name == "sessions"] == sessions
    assert [n for name, n in asked if name == "keys"] == keys
    assert ("links", 0) in asked


@pytest.mark.stores
async def test_the_next_backend_purges_what_is_past_its_time_and_serves_none_of_it(
    make_settings, run_backend, backend_dsn, redis, clock
):
    settings = make_settings(backend_dsn, retention={"device_sessions": "40d", "batch_rows": 2})
    async with run_backend(settings, clock) as backend:
        old = [await backend.sign_in(redis, "ada@example.org") for _ in range(5)]
        _, link = await link_of(backend, redis, old[-1])
        await backend.as_player(old[0], "POST", "/sessions/revoke-all")
        clock.advance(timedelta(days=20))
        late = await backend.sign_in(redis, "ada@example.org")
        await backend.as_player(late, "POST", f"/sessions/{late.device_session_id}/revoke")
        clock.advance(timedelta(days=20, seconds=1))
        present = await backend.sign_in(redis, "ada@example.org")
        challenge = await backend.ask_code("ada@example.org")
        code = await backend.read_code(redis, challenge)
    async with run_backend(settings, clock) as backend:
        async with backend.database() as connection:

            async def gone():
                rows = await connection.fetch("SELECT device_session_id::text AS id FROM device_sessions")
                return {row["id"] for row in rows} == {late.device_session_id, present.device_session_id}

            await eventually(gone)
            links = "SELECT count(*) FROM auth_links"

            async def links_gone():  # of seven sign-ins six were announced; the links of four ran out after thirty days
                return await connection.fetchval(links) == 2

            await eventually(links_gone)
            challenges = await connection.fetchval("SELECT count(*) FROM auth_challenges")
            assert challenges == 2, "those of a day still count for the limits"
        for device in old:
            reply = await backend.call("GET", f"/api/v1/internal/sessions/{device.device_session_id}")
            assert (reply.status, reply.code) == (404, "session.not_found")
        status = f"/api/v1/internal/sessions/{late.device_session_id}"
        assert (await backend.call("GET", status)).body["status"] == "revoked"
        assert (await backend.call("POST", link)).status == 410
        assert len((await backend.as_player(present, "GET", "/sessions")).body["items"]) == 1
        assert (await backend.confirm(challenge, code)).status == 200
