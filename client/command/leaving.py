"""How a process that spoke to the platform ends."""

import os
import sys
from contextlib import suppress
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """Write out what was said and end the process with this exit code, without taking the interpreter apart.

    The RPC transport keeps threads of its own. One that wants the interpreter while it is taken apart ends the whole process
    by SIGABRT (CPython before 3.14): about one refused command in eight ended with exit code 134.
    """
    for stream in (sys.stdout, sys.stderr):
        # A pipe whose reader has gone, or a stream that is closed: nobody is left to be told.
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
