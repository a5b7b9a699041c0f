"""A running test gateway, and a device that is signed in to it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from client.sdk import Galaxy
from client.tests.gateway import Gateway, running
from client.transport import Patience
from kit.backoff import Backoff

QUICK = Patience(
    attempts=4,
    total_seconds=5,
    attempt_seconds=2,
    backoff=Backoff(first=timedelta(milliseconds=5), ceiling=timedelta(milliseconds=20)),
)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running(Gateway()) as served:
        yield served


@pytest.fixture
async def galaxy(gateway: Gateway, tmp_path: Path) -> AsyncIterator[Galaxy]:
    async with Galaxy(
        "alice", home=tmp_path, gateway_url=gateway.url, edge_url=gateway.url, patience=QUICK
    ) as device:
        await device.sign_in("alice@example.org", code=lambda: gateway.code, device_name="test")
        yield device
