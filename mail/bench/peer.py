"""What we are measured against: a bare SMTP client, and the relay both talk to, in a process of its own."""

import asyncio
import contextlib
import multiprocessing
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection as Pipe

import aiosmtplib
import uvloop

from mail.chaos.sink import Sink


def _sink_process(pipe: Pipe) -> None:
    async def serve() -> None:
        async with Sink(keep_content=False).serving() as sink:
            pipe.send(sink.port)
            await asyncio.to_thread(pipe.recv)

    with contextlib.suppress(EOFError, KeyboardInterrupt):
        uvloop.run(serve())


@asynccontextmanager
async def relay_process() -> AsyncIterator[int]:
    """Run the sink in a process of its own; give its port."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_sink_process, args=(theirs,), daemon=True)
    process.start()
    try:
        yield await asyncio.to_thread(ours.recv)
    finally:
        ours.send("stop")
        await asyncio.to_thread(process.join, 5)


async def bare_client(port: int, message: bytes, mails: int, connections: int) -> float:
    """Send with aiosmtplib alone; return mails a second."""
    left = mails

    async def one() -> None:
        nonlocal left
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
        await client.connect()
        while left > 0:
            left -= 1
            await client.sendmail("galaxy@mail.test", ["player@example.test"], message)
        await client.quit()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    return mails / (time.perf_counter() - began)
