"""One process under our care: started on a leash, its output in a capped file, stopped in its own way."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deploy.embedded.errors import ChildFailedError
from deploy.embedded.logfile import LogFile, pump

_LEASH = Path(__file__).with_name("leash.py")
_POLL_SECONDS = 0.01


def leashed(command: Sequence[str | Path], on_parent_death: signal.Signals) -> list[str]:
    """Return the command line that runs `command` and sends it that signal when this process is gone."""
    name = on_parent_death.name.removeprefix("SIG")
    return [sys.executable, "-I", "-S", str(_LEASH), name, str(os.getpid()), *map(str, command)]


class Child:
    """A running process, leader of its own session: a Ctrl-C on the terminal never reaches it by itself.

    Linux ties the leash to the *thread* that starts the child; start children from a thread that lives as long as the
    process, which in practice is the main thread.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: LogFile,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        working_folder: Path | None = None,
        on_parent_death: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.name = name
        self.log = log
        self.started_at = time.monotonic()
        self._process = subprocess.Popen(
            [*prefix, *leashed(command, on_parent_death)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=None if environment is None else dict(environment),
            cwd=working_folder,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._reader = threading.Thread(
            target=pump, args=(self._process.stdout, log), name=f"log of {name}", daemon=True
        )
        self._reader.start()
        self._collected = False

    @property
    def pid(self) -> int:
        """The process id, which is also that of its session and group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code once it has ended (negative: the signal that ended it), else None."""
        return self._process.poll()

    def wait_until(
        self,
        ready: Callable[[], bool],
        *,
        timeout_seconds: float,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Return once `ready()` is true; raise ChildFailedError when the process ends first or time runs out.

        `check` is called all the while and may raise to give up.
        """
        deadline = time.monotonic() + timeout_seconds
        while not ready():
            check()
            if self.exit_code is not None:
                raise self.failure(f"{self.name} ended {describe_exit(self.exit_code)} before it was ready.")
            if time.monotonic() > deadline:
                raise self.failure(f"{self.name} was not ready within {timeout_seconds:g} s.")
            time.sleep(_POLL_SECONDS)

    def failure(self, sentence: str) -> ChildFailedError:
        """Put the sentence and this process's last words into an error."""
        self._reader.join(timeout=1 if self.exit_code is not None else 0)
        return ChildFailedError(self.name, sentence, last_lines=self.log.tail(8), log_path=self.log.path)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process itself; nothing happens when it has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM, *, timeout_seconds: float = 10) -> bool:
        """Ask it to end, wait, and kill what is left of its group. Return whether it ended of its own accord."""
        self.send(number)
        try:
            self._process.wait(timeout_seconds)
            orderly = True
        except subprocess.TimeoutExpired:
            orderly = False
        self.kill()
        return orderly

    def kill(self) -> None:
        """End the whole group at once, grandchildren included, and collect the exit code. May be repeated."""
        if self._collected:
            return
        self.kill_group()
        self._process.wait()
        self._reader.join(timeout=2)
        self._collected = True

    def kill_group(self) -> None:
        """End the whole group at once, without waiting; whoever waits for it hears of it."""
        if not self._collected:  # later its number may belong to a stranger
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


def describe_exit(code: int) -> str:
    """Say how a process ended: `with exit code 3`, or `by SIGKILL`."""
    if code >= 0:
        return f"with exit code {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:
        return f"by signal {-code}"
