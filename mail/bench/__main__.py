"""`python -m mail.bench`: how quickly mails leave, against a bare SMTP client on the same relay in the same run.

The relay is this machine's own scripted sink in a process of its own; both sides keep as many connections. The whole way
counts for us: claim, open, render, build, send, mark with history. The bare client sends the same bytes again and again.
"""

import argparse
import asyncio
import os
import platform
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import uvloop

from kit.faults import Faults
from kit.ids import uuid7
from kit.logs import configure_logs
from kit.migrate import migrate
from kit.outbox import LaneSettings, LaneStorage, OutboxWorker
from kit.postgres import Database, PoolSettings, in_schema
from kit.sealing import SealRing
from kit.testing import fresh_database
from mail.app import MIGRATIONS, SCHEMA
from mail.bench.peer import bare_client, relay_process
from mail.deliveries.marks import MarkingStorage, Marks
from mail.deliveries.model import LADDERS, LaneName, NewDelivery, outbox_lane
from mail.deliveries.storage import DeliveryStorage
from mail.deliveries.worker import MailTransport
from mail.smtp.message import Letter, build_message
from mail.smtp.model import LaneTimeouts, Relay
from mail.smtp.pool import SmtpPool
from mail.templates.renderer import Templates

SENDER = "Galaxy <galaxy@mail.test>"
VARIABLES = {
    "game_id": "01900000-0000-7000-8000-000000000001",
    "game_name": "The Long Night of Orion",
    "turn": 12,
    "deadline_at": "2030-01-02T18:00:00.000Z",
    "time_zone": "Europe/Berlin",
    "display_name": "Ada",
}
_TIMEOUTS = LaneTimeouts(timedelta(minutes=1), timedelta(minutes=1), timedelta(minutes=1))


class Silent:
    """Counts nothing."""

    def took(self, seconds: float) -> None:
        """Ignore."""

    def suppressed(self) -> None:
        """Ignore."""


def letter(templates: Templates) -> bytes:
    """Render and build the mail that all are measured with."""
    unsubscribe_url = f"https://galaxy.test/off?token={uuid7()}"  # everybody has one of their own
    rendered = templates.render("game.turn.ready", "en", VARIABLES, unsubscribe_url)
    return build_message(
        Letter(
            uuid7(),
            "player@example.test",
            rendered.subject,
            rendered.text,
            rendered.html,
            "en",
            datetime.now(UTC),
            unsubscribe_url,
        ),
        SENDER,
    )


async def whole_way(
    dsn: str, port: int, templates: Templates, mails: int, connections: int, workers: int
) -> float:
    """Send stored deliveries as the service does; return mails a second."""
    async with Database.open(in_schema(dsn, SCHEMA), "bench", PoolSettings(max_size=20)) as database:
        storage, lane = DeliveryStorage(), outbox_lane(LaneName.ORDINARY)
        await _store(database, storage, mails)
        pool = SmtpPool(Relay("127.0.0.1", port, SENDER), _TIMEOUTS, connections)
        pace = LaneSettings(
            batch=100, lease=timedelta(minutes=10), worker_interval=timedelta(milliseconds=50)
        )

        marks = Marks(LaneStorage(database, lane))

        async def drain() -> None:
            claims = MarkingStorage(database, lane, marks)
            transport = MailTransport(
                database,
                storage,
                claims,
                templates,
                pool,
                SENDER,
                _TIMEOUTS,
                SealRing([bytes(32)]),
                Silent(),
                Faults(),
                concurrency=connections // workers,
            )
            worker = OutboxWorker("bench", lane, claims, transport, pace, LADDERS[LaneName.ORDINARY])
            while (await worker.run_once()).claimed:
                pass

        began = time.perf_counter()
        await asyncio.gather(*(drain() for _ in range(workers)))
        took = time.perf_counter() - began
        await pool.close()
        async with database.connection() as connection:
            sent = await connection.fetchval("SELECT count(*) FROM deliveries WHERE state = 'sent'")
            await connection.execute("TRUNCATE deliveries CASCADE")
            await connection.execute("TRUNCATE idempotency_keys")
        assert sent == mails, f"{sent} of {mails} were sent"
    return mails / took


async def _store(database: Database, storage: DeliveryStorage, mails: int) -> None:
    new = [
        NewDelivery(
            delivery_id=delivery_id,
            source="bench",
            idempotency_key=delivery_id,
            template_id="game.turn.ready",
            locale="en",
            to="player@example.test",
            variables=VARIABLES,
            sealed_variables=None,
            unsubscribe_url=f"https://galaxy.test/off?token={delivery_id}",
            user_id=None,
            expires_at=None,
            occurred_at=datetime.now(UTC),
            request_id="",
            trace_id="",
            body_hash=b"",
            stream_id="0-1",
        )
        for delivery_id in (uuid7() for _ in range(mails))
    ]
    async with database.transaction() as connection:
        for at in range(0, mails, 500):
            await storage.insert(connection, new[at : at + 500])
        await connection.execute("ANALYZE deliveries")


def rendering_seconds(templates: Templates, times: int = 500) -> float:
    """Return the time that rendering and building one mail takes."""
    began = time.perf_counter()
    for _ in range(times):
        letter(templates)
    return (time.perf_counter() - began) / times


async def measure(dsn: str, mails: int, connections: int, runs: int, workers: int) -> dict[str, Any]:
    """Measure all in turns and give the medians."""
    await migrate(in_schema(dsn, SCHEMA), SCHEMA, MIGRATIONS)
    templates = Templates()
    message = letter(templates)
    ours, bare = [], []
    async with relay_process() as port:
        for _ in range(runs):
            bare.append(await bare_client(port, message, mails, connections))
            ours.append(await whole_way(dsn, port, templates, mails, connections, workers=workers))
    own, peer = statistics.median(ours), statistics.median(bare)
    share = rendering_seconds(templates) * own
    return {
        "bench": "mail",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "results": [
            {
                "name": f"mails sent and on record, {connections} connections",
                "value": round(own),
                "unit": "mails/s",
                "peer": "aiosmtplib alone, the same bytes",
                "peer_value": round(peer),
                "ratio": round(own / peer, 2),
                "goal": ">= 0.9 x",
                "met": own >= 0.9 * peer,
            },
            {
                "name": "share of rendering",
                "value": round(share, 2),
                "unit": "of the time",
                "peer": None,
                "peer_value": None,
                "ratio": None,
                "goal": "<= 0.2",
                "met": share <= 0.2,
            },
        ],
    }


async def _main() -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="python -m mail.bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mails", type=int, default=4000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=4)
    arguments = parser.parse_args()
    configure_logs("mail", "warning", sys.stderr)
    dsn = os.environ.get("GALAXY_TEST_POSTGRES_DSN")
    if not dsn:
        from deploy.embedded.stores import session_stores

        dsn = session_stores().postgres.dsn()
    async with fresh_database(dsn) as fresh:
        return await measure(fresh, arguments.mails, arguments.connections, arguments.runs, arguments.workers)


if __name__ == "__main__":
    sys.stdout.write(orjson.dumps(uvloop.run(_main())).decode() + "\n")
