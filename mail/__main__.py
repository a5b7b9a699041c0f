"""`python -m mail`: the mail process."""

import asyncio

from kit.faults import Faults
from kit.logs import configure_logs
from kit.process import Lifecycle, run
from mail.app import build
from mail.settings import Settings


async def start(lifecycle: Lifecycle) -> None:
    """Run until asked to stop or until a worker dies."""
    settings = Settings.load()
    configure_logs("mail", settings.log_level)
    async with build(settings, Faults.from_environment("mail")) as service:
        lifecycle.ready({"http": service.listener.address})
        stopping = asyncio.ensure_future(lifecycle.stopping.wait())
        died = asyncio.ensure_future(service.workers.died())
        await asyncio.wait({stopping, died}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if died.done():
            raise died.result()
        died.cancel()


if __name__ == "__main__":
    run("mail", start)
