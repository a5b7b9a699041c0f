"""A service as a process: signals, the ready file, exit codes.

`run` is what every `__main__` calls. It gives the service an event that SIGINT and SIGTERM set; the service drains and
returns. Exit codes: 0 after a clean stop, 2 for settings, 1 for anything else.
"""

import argparse
import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import orjson
import uvloop

from kit.logs import get_logger
from kit.settings import SettingsError

_PR_SET_PDEATHSIG = 1


class StartError(Exception):
    """The service cannot start; the text is a whole sentence for the operator."""


class Lifecycle:
    """What a service learns from the outside and tells it."""

    def __init__(self, ready_file: Path | None) -> None:
        self.stopping = asyncio.Event()
        """Set when the process was asked to stop."""
        self._ready_file = ready_file

    def ready(self, addresses: Mapping[str, str]) -> None:
        """Publish the bound addresses (name → host:port) in the ready file, whole or not at all."""
        if self._ready_file is None:
            return
        draft = self._ready_file.with_name(self._ready_file.name + ".part")
        draft.write_bytes(orjson.dumps({"pid": os.getpid(), **addresses}))
        draft.replace(self._ready_file)

    def gone(self) -> None:
        """Take the ready file away again."""
        if self._ready_file is not None:
            self._ready_file.unlink(missing_ok=True)


def run(service: str, start: Callable[[Lifecycle], Awaitable[None]]) -> None:
    """Parse the command line, run `start` until it returns, and exit the process."""
    parser = argparse.ArgumentParser(prog=f"python -m {service}")
    parser.add_argument("--ready-file", type=Path, help="write the bound addresses here as JSON once ready")
    parser.add_argument(
        "--die-with-parent", action="store_true", help="end when the parent process ends (Linux)"
    )
    arguments = parser.parse_args()
    if arguments.die_with_parent:
        die_with_parent()
    try:
        uvloop.run(_main(service, start, arguments.ready_file))
    except SettingsError as error:
        sys.stderr.write(f"{service} cannot start with these settings:\n{error}\n")
        sys.exit(2)
    except StartError as error:
        sys.stderr.write(f"{service} cannot start: {error}\n")
        sys.exit(1)


async def _main(service: str, start: Callable[[Lifecycle], Awaitable[None]], ready_file: Path | None) -> None:
    log = get_logger("process")
    lifecycle = Lifecycle(ready_file)
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        log.info("process_stopping", service=service, signal=number.name)
        lifecycle.stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    try:
        await start(lifecycle)
        log.info("process_stopped", service=service)
    finally:
        lifecycle.gone()


def die_with_parent() -> None:
    """Ask Linux to send this process SIGTERM when its parent dies; elsewhere this does nothing."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died between the fork and the call above
        os.kill(os.getpid(), signal.SIGTERM)
