"""The demo on a whole stack: `python -m client.demo` sees everything it waits for, or fails."""

import asyncio
import os
import sys
from pathlib import Path

from PIL import Image

from deploy.embedded.stack import Stack

TURNS = 3


async def test_the_demo_sees_every_turn_and_paints_its_map(stack: Stack, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "client.demo", f"--turns={TURNS}", f"--out={tmp_path}"),
        f"--gateway={stack.url('gateway.public')}",
        f"--edge={stack.url('gateway.edge')}",
        f"--mail={stack.url('mailcatcher.http')}",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "100"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(240):
        said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    for turn in range(1, TURNS + 1):
        assert f"turn {turn} reached both as event and report" in said
    with Image.open(tmp_path / "map.png") as picture:
        assert picture.size == (1200, 1200)


async def test_without_a_platform_the_demo_says_how_to_start_one() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "client.demo", "--mail=http://127.0.0.1:9", "--gateway=http://127.0.0.1:9"),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        said = (await process.communicate())[0].decode()
    assert process.returncode == 4, said
    assert "make up" in said
