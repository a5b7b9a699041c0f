"""A terminal with a person at it: runs a command on a pseudo-terminal, waits for what it asks and types the answer."""

import asyncio
import os
import pty
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

_PATIENCE_SECONDS = 60


class Terminal:
    """One command at one terminal; `screen` is everything that it has shown."""

    def __init__(self, process: asyncio.subprocess.Process, handle: int) -> None:
        self._process = process
        self._handle = handle
        self._read_to = 0
        self._more = asyncio.Event()
        self.screen = ""
        asyncio.get_running_loop().add_reader(handle, self._take)

    async def sees(self, text: str) -> None:
        """Wait until a text is shown, behind the one waited for last."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while (found := self.screen.find(text, self._read_to)) < 0:
                self._more.clear()
                await self._more.wait()
        self._read_to = found + len(text)

    def types(self, text: str) -> None:
        """Type a line."""
        os.write(self._handle, text.encode() + b"\n")

    def presses_ctrl_c(self) -> None:
        """Press Ctrl-C: the terminal makes it a signal to the command."""
        os.write(self._handle, b"\x03")

    async def ends(self) -> int:
        """Wait for the end; return the exit code."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await self._process.wait()

    def _take(self) -> None:
        try:
            read = os.read(self._handle, 65536)
        except OSError:  # the command has gone, and its side of the terminal with it
            read = b""
        if not read:
            asyncio.get_running_loop().remove_reader(self._handle)
        self.screen += read.decode(errors="replace")
        self._more.set()


@asynccontextmanager
async def at_terminal(
    arguments: Sequence[str], environment: Mapping[str, str], given: bytes | None = None
) -> AsyncIterator[Terminal]:
    """Run a command at a terminal of its own; with `given` its stdin is a pipe that holds these bytes."""
    ours, theirs = pty.openpty()
    pipe = os.pipe() if given is not None else None
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            env=dict(environment),
            stdin=pipe[0] if pipe else theirs,
            stdout=theirs,
            stderr=theirs,
            preexec_fn=_own_terminal,
        )
        os.close(theirs)
        if pipe and given is not None:
            os.close(pipe[0])
            os.write(pipe[1], given)
            os.close(pipe[1])
        terminal = Terminal(process, ours)
        try:
            yield terminal
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            asyncio.get_running_loop().remove_reader(ours)
    finally:
        os.close(ours)


def _own_terminal() -> None:
    """Make the terminal on stdout the controlling one, so that Ctrl-C and /dev/tty mean it."""
    import fcntl
    import termios

    os.setsid()
    fcntl.ioctl(1, termios.TIOCSCTTY, 0)
