"""`python -m mail.chaos`: kill the mail service at random moments; ends in one line of JSON, fails if a promise broke."""

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from kit.redis_pool import RedisSettings
from kit.testing import fresh_database, fresh_redis
from mail.chaos.run import CONNECTIONS, Account, run_chaos


def results(account: Account) -> dict[str, Any]:
    """Return the run as the machine-readable line of all our measurements."""

    def result(name: str, value: float, unit: str, goal: str, *, met: bool) -> dict[str, Any]:
        return {
            "name": name,
            "value": value,
            "unit": unit,
            "peer": None,
            "peer_value": None,
            "ratio": None,
            "goal": goal,
            "met": met,
        }

    most = account.in_flight_most
    return {
        "bench": "chaos-mail",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "results": [
            result("kills", account.kills, "kills", ">= 50", met=account.kills >= 50),
            result("mails", account.mails, "mails", "> 0", met=account.mails > 0),
            result("lost", len(account.lost), "mails", "= 0", met=not account.lost),
            result(
                "repeated",
                len(account.repeated),
                "mails",
                f"<= {CONNECTIONS} a kill",
                met=len(account.repeated) <= CONNECTIONS * account.kills,
            ),
            result(
                "repeated, not in flight at a kill",
                len(account.unexplained),
                "mails",
                "= 0",
                met=not account.unexplained,
            ),
            result("in flight at one kill", most, "mails", f"<= {CONNECTIONS}", met=most <= CONNECTIONS),
            result(
                "interrupted attempts on record as unknown",
                account.unknown_attempts,
                "attempts",
                f"= {account.interrupted}",
                met=account.unknown_attempts == account.interrupted,
            ),
            result("duration", round(account.seconds, 1), "s", "", met=True),
        ],
    }


@asynccontextmanager
async def _stores() -> AsyncIterator[tuple[str, RedisSettings]]:
    dsn, url = os.environ.get("GALAXY_TEST_POSTGRES_DSN"), os.environ.get("GALAXY_TEST_REDIS_URL")
    if not dsn or not url:
        from deploy.embedded.stores import session_stores

        stores = session_stores()
        dsn, url = dsn or stores.postgres.dsn(), url or stores.valkey.url
    async with fresh_database(dsn) as fresh:
        yield fresh, fresh_redis(url)


async def _main() -> bool:
    parser = argparse.ArgumentParser(prog="python -m mail.chaos", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    async with _stores() as (dsn, redis_settings):
        with tempfile.TemporaryDirectory() as folder:
            account = await run_chaos(dsn, redis_settings, arguments.kills, arguments.seed, Path(folder))
    sys.stdout.write(orjson.dumps(results(account)).decode() + "\n")
    return account.clean


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(_main()) else 1)
