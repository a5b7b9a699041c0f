"""The stores of a test session, started for real."""

import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis.asyncio
import redis.exceptions

from kit.testing import fresh_database

REPOSITORY = Path(__file__).parents[2]

pytestmark = pytest.mark.stores


async def test_a_fresh_database_can_be_made_in_the_session_postgres(postgres_admin_dsn):
    async with fresh_database(postgres_admin_dsn) as dsn:
        connection = await asyncpg.connect(dsn)
        try:
            assert await connection.fetchval("SELECT current_setting('server_version_num')::int") >= 150_000
            assert await connection.fetchval("SELECT upper('über')") == "ÜBER"
        finally:
            await connection.close()


async def test_the_session_valkey_wants_its_password(valkey_url):
    async with redis.asyncio.Redis.from_url(valkey_url) as client:
        assert await client.ping()
    address = valkey_url.rpartition("@")[2]
    async with redis.asyncio.Redis.from_url(f"redis://{address}") as stranger:
        with pytest.raises(redis.exceptions.AuthenticationError):
            await stranger.ping()


def test_a_killed_test_process_leaves_no_store_behind():
    script = """
from deploy.embedded.stores import session_stores
import time
stores = session_stores()
print(stores.postgres.child.pid, stores.valkey.child.pid, stores.folder, flush=True)
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        postgres, valkey, folder = owner.stdout.readline().split()
        owner.kill()
    deadline = time.monotonic() + 20
    while any(psutil.pid_exists(int(pid)) for pid in (postgres, valkey)):
        assert time.monotonic() < deadline, "a store outlived the process that it belongs to"
        time.sleep(0.05)
    assert Path(folder).exists()
    after = "from deploy.embedded.stores import session_stores; session_stores()"
    subprocess.run([sys.executable, "-c", after], cwd=REPOSITORY, check=True, timeout=30)
    assert not Path(folder).exists(), "the folder of a killed session was not removed by the next one"
