"""Fixtures over the bench; the conftest of each room of the game imports them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from backend.tests.game_rooms import Bench, open_bench
from kit.testing import fresh_database


@pytest_asyncio.fixture
async def games_dsn(postgres_admin_dsn: str, backend_template: str) -> AsyncIterator[str]:
    """Give a database of its own with the schema in it."""
    async with fresh_database(postgres_admin_dsn, template=backend_template) as dsn:
        yield dsn


@pytest_asyncio.fixture
async def bench(games_dsn: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """Give the rooms of the game with engines as processes."""
    async with open_bench(games_dsn, tmp_path) as opened:
        yield opened


__all__ = ["bench", "games_dsn"]
