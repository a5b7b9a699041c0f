"""Engines as child processes, for machines without Docker.

A child dies with the backend (`--die-with-parent`) and comes back from the save; images and digests mean nothing here: the
engine of this very checkout runs, whatever version is asked for. Its output goes to a file with a cap.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from backend.runtime.errors import ContainersAway, StartFailed
from backend.runtime.model import ContainerSpec, Death, Endpoint, Seen
from kit.logs import get_logger

_log = get_logger("process_containers")
_READY_POLL_SECONDS = 0.02
_END_POLL_SECONDS = 0.01
_LAST_LINES = 40
_PASSED_ON = ("PATH", "PYTHONPATH", "LANG", "TZ", "SYSTEMROOT")


@dataclass
class _Child:
    ref: str
    spec: ContainerSpec
    process: "subprocess.Popen[bytes]"
    ready_file: Path
    endpoint: Endpoint | None = None
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_LINES))
    watcher: asyncio.Task[None] | None = None


class _CappedLog:
    """A file that never holds more than its cap; what was before is kept once, as `.1`."""

    def __init__(self, path: Path, bytes_max: int) -> None:
        self._path = path
        self._bytes_max = bytes_max
        self._file = path.open("ab")

    def write(self, chunk: bytes) -> None:
        if self._file.tell() + len(chunk) > self._bytes_max:
            self._file.close()
            self._path.replace(self._path.with_name(self._path.name + ".1"))
            self._file = self._path.open("ab")
        self._file.write(chunk)
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class ProcessContainers:
    """One `python -m engine` a game."""

    survives_us = False
    owns_everything_seen = True

    def __init__(
        self,
        folder: Path,
        *,
        boot_timeout: timedelta = timedelta(seconds=60),
        stop_timeout: timedelta = timedelta(seconds=10),
        log_bytes_max: int = 5 * 1024 * 1024,
        command: Sequence[str] = (sys.executable, "-m", "engine"),
        surroundings: Mapping[str, str] | None = None,
    ) -> None:
        """`folder` holds a folder a game; `surroundings` is the environment that a few harmless variables come from."""
        self._folder = folder.absolute()
        self._boot_timeout = boot_timeout
        self._stop_timeout = stop_timeout
        self._log_bytes_max = log_bytes_max
        self._command = tuple(command)
        given = os.environ if surroundings is None else surroundings
        self._environment = {name: given[name] for name in _PASSED_ON if name in given}
        self._children: dict[str, _Child] = {}
        self._count = 0
        self._listeners: set[asyncio.Queue[Death]] = set()

    async def prepare(self) -> None:
        """Make the folder, for our eyes only."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ContainersAway(f"cannot make {self._folder}: {error.strerror}") from error

    async def fetch(self, image: str, digest: str | None) -> None:
        """Images mean nothing here."""

    async def start(self, spec: ContainerSpec) -> Seen:
        """Start a child and wait until it has written its ready file."""
        for child in [c for c in self._children.values() if c.spec.game_id == spec.game_id]:
            await self.stop(child.ref)
        folder = self._folder / spec.game_id
        self._count += 1
        ready_file = folder / f"ready-{os.getpid()}-{self._count}.json"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Not the event loop's own spawning: uvloop forks, and the handlers that gRPC runs in a forked child crash it.
            # `Popen` uses vfork, which runs none. It must happen in this, the main thread: the child dies with the
            # thread that started it.
            process = subprocess.Popen(  # noqa: ASYNC220 - see above; it takes a millisecond
                [*self._command, "--die-with-parent", "--ready-file", str(ready_file)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                env={
                    **self._environment,
                    "ENGINE_TOKEN": spec.token,
                    "ENGINE_LISTEN_ADDR": "127.0.0.1:0",
                },
                # Ctrl-C on the launcher's terminal is not for engines: we stop them, after their turns.
                start_new_session=True,
            )
        except OSError as error:
            raise StartFailed(f"cannot start {self._command[0]}: {error.strerror}") from error
        child = _Child(f"process-{process.pid}-{self._count}", spec, process, ready_file)
        self._children[child.ref] = child
        child.watcher = asyncio.create_task(
            self._watch(child, folder / "engine.log"), name=f"engine-{spec.game_id}"
        )
        try:
            child.endpoint = Endpoint(await self._address(child), spec.token)
        except BaseException:
            await self.stop(child.ref)
            raise
        return self._seen(child)

    async def stop(self, ref: str) -> None:
        """SIGTERM, then SIGKILL after the grace period."""
        child = self._children.get(ref)
        if child is None:
            return
        if child.process.poll() is None:
            child.process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(self._stop_timeout.total_seconds()):
                    await _ended(child.process)
            except TimeoutError:
                _log.warning("engine_killed", game_id=child.spec.game_id, ref=ref)
                child.process.kill()
                await _ended(child.process)
        if child.watcher is not None:
            await asyncio.wait({child.watcher})
        self._children.pop(ref, None)

    async def list(self) -> Sequence[Seen]:
        """Return our children, dead ones too until they are removed by `stop`."""
        return [self._seen(child) for child in self._children.values()]

    async def last_words(self, ref: str) -> str:
        """Return the last lines that the child wrote."""
        child = self._children.get(ref)
        return "\n".join(child.last_lines) if child else ""

    async def deaths(self) -> AsyncIterator[Death]:
        """Give each end of a child from now on."""
        queue: asyncio.Queue[Death] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)

    async def close(self) -> None:
        """Stop every child, side by side."""
        await asyncio.gather(*(self.stop(ref) for ref in list(self._children)))

    async def _address(self, child: _Child) -> str:
        try:
            async with asyncio.timeout(self._boot_timeout.total_seconds()):
                while not child.ready_file.exists():
                    if child.process.poll() is not None:
                        words = " / ".join(list(child.last_lines)[-3:])
                        raise StartFailed(f"the engine ended with {child.process.returncode}: {words}")
                    await asyncio.sleep(_READY_POLL_SECONDS)
        except TimeoutError as error:
            raise StartFailed(f"the engine was not ready within {self._boot_timeout}") from error
        address = json.loads(child.ready_file.read_text())["http"]
        return f"http://{address}"

    async def _watch(self, child: _Child, log_path: Path) -> None:
        """Copy the child's output to its log until it ends, then tell its death."""
        assert child.process.stdout is not None
        loop, output = asyncio.get_running_loop(), asyncio.StreamReader()
        pipe, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(output), child.process.stdout
        )
        log_file = _CappedLog(log_path, self._log_bytes_max)
        try:
            while chunk := await output.read(16_384):
                child.last_lines.extend(chunk.decode("utf-8", "replace").splitlines())
                log_file.write(chunk)
        finally:
            log_file.close()
            pipe.close()
        await _ended(child.process)
        child.ready_file.unlink(missing_ok=True)
        for queue in self._listeners:
            queue.put_nowait(Death(child.ref, child.spec.game_id))

    def _seen(self, child: _Child) -> Seen:
        running = child.process.poll() is None
        return Seen(
            child.ref,
            child.spec.game_id,
            child.spec.engine_version,
            running,
            child.endpoint if running else None,
            child.process.returncode,
        )


async def _ended(process: "subprocess.Popen[bytes]") -> None:
    """Wait for a child's end; whoever asks knows that it is near."""
    while process.poll() is None:
        await asyncio.sleep(_END_POLL_SECONDS)
