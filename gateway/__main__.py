"""`python -m gateway`: the only place that reads the environment."""

import asyncio

from gateway.app import build
from gateway.settings import Settings
from kit.logs import configure_logs
from kit.process import Lifecycle, run


async def serve(lifecycle: Lifecycle) -> None:
    """Run until asked to stop, or until a part dies."""
    settings = Settings.load()
    configure_logs("gateway", settings.log_level)
    async with build(settings) as gateway:
        lifecycle.ready(gateway.addresses)
        stopping = asyncio.create_task(lifecycle.stopping.wait(), name="stopping")
        died = asyncio.create_task(gateway.died(), name="died")
        await asyncio.wait({stopping, died}, return_when=asyncio.FIRST_COMPLETED)
        lifecycle.gone()
        if died.done():
            raise died.result()
        died.cancel()


if __name__ == "__main__":
    run("gateway", serve)
