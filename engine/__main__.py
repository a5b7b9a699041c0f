"""`python -m engine`: one engine process."""

import argparse
import os
import sys
from pathlib import Path

from engine.app import build
from engine.logs import Log
from engine.machine import Machine
from engine.server import serve
from engine.settings import BadSettings, from_environment

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Read arguments and environment, serve, and leave with 0 after SIGTERM."""
    parser = argparse.ArgumentParser(prog="engine", description="One Galaxy game as an HTTP service.")
    parser.add_argument("--ready-file", type=Path, help='written once listening: {"http": "host:port"}')
    parser.add_argument(
        "--die-with-parent", action="store_true", help="Linux: end when the parent process ends"
    )
    arguments = parser.parse_args()
    if arguments.die_with_parent:
        _die_with_parent()
    try:
        settings = from_environment(os.environ)
    except BadSettings as error:
        sys.exit(f"engine: {error}")
    log = Log(settings.log_level)
    try:
        serve(build(settings, log, Machine()), settings, log, arguments.ready_file)
    except OSError as error:
        sys.exit(f"engine: cannot listen on {settings.host}:{settings.port}: {error.strerror}")
    # An abandoned turn may still be computing in its thread; nothing of it is kept, so the process does not wait for it.
    os._exit(0)


def _die_with_parent() -> None:
    import ctypes
    import signal

    parent = os.getppid()
    if not sys.platform.startswith("linux"):
        sys.exit("engine: --die-with-parent works on Linux only")
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        sys.exit("engine: the kernel refused --die-with-parent")
    if os.getppid() != parent:  # the parent ended before the kernel knew of the wish
        sys.exit(0)


if __name__ == "__main__":
    main()
