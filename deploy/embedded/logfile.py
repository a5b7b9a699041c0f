"""One process's log: a file that cannot grow without end, and its last lines kept in memory."""

import contextlib
import os
import threading
from collections import deque
from pathlib import Path
from typing import IO

FILE_BYTES_MAX = 8 * 1024 * 1024
TAIL_LINES_MAX = 200
LINE_BYTES_MAX = 64 * 1024


class LogFile:
    """Takes lines and appends them to `path`; a full file becomes `path.1`, replacing the one before it.

    A disk without space costs lines, never the process that wrote them: what cannot be stored is counted in `lost` and
    still stands in the tail. Writers may be on any thread. The file is its owner's alone, also one that was not before:
    logs name players and addresses of the net.
    """

    def __init__(self, path: Path, *, bytes_max: int = FILE_BYTES_MAX) -> None:
        self.path = path
        self.lost = 0
        self._bytes_max = bytes_max
        self._tail: deque[str] = deque(maxlen=TAIL_LINES_MAX)
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = self._open()
        self._size = path.stat().st_size

    def write(self, line: bytes) -> None:
        """Append one line, with its line end."""
        with self._lock:
            self._tail.append(line.decode("utf-8", "replace").rstrip("\r\n"))
            try:
                if self._size + len(line) > self._bytes_max:
                    self._turn_over()
                self._size += self._file.write(line) or 0
            except (OSError, ValueError):  # ValueError: the file could not be reopened after a turn-over
                self.lost += 1

    def tail(self, count: int) -> tuple[str, ...]:
        """Return up to `count` of the last lines that are not blank, oldest first."""
        with self._lock:
            lines = [line for line in self._tail if line.strip()]
        return tuple(lines[-count:])

    def close(self) -> None:
        """Close the file; the tail stays readable."""
        with self._lock, contextlib.suppress(OSError):
            self._file.close()

    def _turn_over(self) -> None:
        self._file.close()
        with contextlib.suppress(OSError):
            self.path.replace(self.path.with_name(self.path.name + ".1"))
        self._file = self._open()
        self._size = self.path.stat().st_size

    def _open(self) -> IO[bytes]:
        opened = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.fchmod(opened, 0o600)
        return os.fdopen(opened, "ab", buffering=0)


def pump(source: IO[bytes], log: LogFile) -> None:
    """Copy everything that comes out of `source` into `log` until its end; the body of a reader thread."""
    with source:
        while line := source.readline(LINE_BYTES_MAX):
            log.write(line if line.endswith(b"\n") else line + b"\n")
