"""A small SMTP server that keeps a ledger of what it took over and misbehaves by script: for tests, chaos and benchmarks.

It speaks what a relay speaks on one connection after another (EHLO, MAIL, RCPT, DATA, RSET, NOOP, QUIT) and nothing more.
"""

import asyncio
import contextlib
import re
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

Verb = Literal["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "DOT", "RSET"]
_MESSAGE_ID = re.compile(rb"^Message-ID: <([^>\r\n]+)>", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Say:
    """Answer with this line instead of the usual one."""

    line: str


@dataclass(frozen=True)
class Stall:
    """Never answer."""


@dataclass(frozen=True)
class Drop:
    """Cut the connection instead of answering. After DOT the mail has been taken over all the same."""


Behaviour = Say | Stall | Drop


@dataclass(frozen=True)
class Taken:
    """One mail in the ledger."""

    message_id: str
    recipient: str
    content: bytes


@dataclass
class Sink:
    """The server and its ledger."""

    port: int = 0
    taken: list[Taken] = field(default_factory=list)
    connections: int = 0
    open_sessions: int = 0
    busy: int = 0
    """Mails taken over whose answer is not yet written."""
    delay_seconds: float = 0.0
    """Time it takes over each mail, between the final dot and its answer."""
    keep_content: bool = True
    pipelining: bool = True
    """Whether it announces PIPELINING."""
    eager: bool = False
    """Whether it answers DATA with 354 although it has accepted no recipient, as RFC 2920 (section 3.1) allows."""
    ahead: int = 0
    """Commands that had come before the one before them was answered."""
    ready_for: Counter[str] = field(default_factory=Counter)
    """How often each verb has arrived."""
    _script: dict[str, deque[Behaviour]] = field(default_factory=lambda: defaultdict(deque))
    _always: dict[str, Behaviour] = field(default_factory=dict)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def once(self, verb: Verb, *behaviours: Behaviour) -> None:
        """Behave so at the next arrivals of a verb, one after another."""
        self._script[verb].extend(behaviours)

    def always(self, verb: Verb, behaviour: Behaviour | None) -> None:
        """Behave so at every arrival of a verb; None ends it."""
        if behaviour is None:
            self._always.pop(verb, None)
        else:
            self._always[verb] = behaviour

    def copies(self) -> Counter[str]:
        """Return how often each Message-ID was taken over."""
        return Counter(taken.message_id for taken in self.taken)

    async def say_unasked(self, line: str) -> None:
        """Write a line into every open session, as a relay does that ends idle ones."""
        for writer in self._writers:
            writer.write(f"{line}\r\n".encode())
            await writer.drain()

    async def wait_until(self, condition: Callable[[], bool], timeout: float = 20.0) -> None:
        """Wait until something is true of this sink; looked at whenever a verb arrives or a session ends."""
        async with asyncio.timeout(timeout):
            while not condition():
                self._arrived.clear()
                await self._arrived.wait()

    async def wait_for(self, verb: Verb, count: int = 1, timeout: float = 20.0) -> None:
        """Wait until a verb has arrived so often. `DOT` counts mails taken over. Raises TimeoutError."""
        await self.wait_until(lambda: self.ready_for[verb] >= count, timeout)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Sink"]:
        """Listen on a free port of the loopback interface for the length of the context."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=2**20, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.open_sessions += 1
        try:
            await self._session(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, _Cut):
            pass
        except asyncio.CancelledError:
            pass  # the sink is closing; asyncio's server would report it as an error
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)
            self.open_sessions -= 1
            self._arrived.set()
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        sender, recipient = False, ""
        await self._answer(writer, "CONNECT", "220 sink ready")
        while True:
            line = (await reader.readuntil(b"\r\n")).decode("utf-8", "replace")
            self.ahead += bool(vars(reader)["_buffer"])  # no public way to ask without waiting
            verb = line[:4].upper().strip()
            if verb in {"EHLO", "HELO"}:
                pipelining = "250-PIPELINING\r\n" if self.pipelining else ""
                await self._answer(writer, "EHLO", f"250-sink\r\n{pipelining}250 8BITMIME")
            elif verb == "MAIL":
                recipient = ""
                sender = await self._answer(writer, "MAIL", "250 2.1.0 fine")
            elif verb == "RCPT":
                if not sender:
                    await self._answer(writer, "RCPT", "503 5.5.1 no sender")
                elif await self._answer(writer, "RCPT", "250 2.1.5 fine"):
                    recipient = line[line.find("<") + 1 : line.rfind(">")]
            elif verb == "DATA":
                if not recipient and not self.eager:
                    await self._answer(writer, "DATA", "503 5.5.1 no valid recipients")
                elif await self._answer(writer, "DATA", "354 go on"):
                    content = await reader.readuntil(b"\r\n.\r\n")
                    await self._take_over(writer, recipient, content)
                recipient = ""
            elif verb == "RSET":
                recipient = ""
                await self._answer(writer, "RSET", "250 2.0.0 fine")
            elif verb == "QUIT":
                writer.write(b"221 2.0.0 bye\r\n")
                return
            else:
                writer.write(b"502 5.5.1 unknown\r\n")

    async def _take_over(self, writer: asyncio.StreamWriter, recipient: str, content: bytes) -> None:
        if not recipient:
            writer.write(b"554 5.5.1 no valid recipients\r\n")
            return
        found = _MESSAGE_ID.search(content)
        behaviour = self._next("DOT")
        if not isinstance(behaviour, Say):
            message_id = found[1].decode() if found else ""
            self.taken.append(Taken(message_id, recipient, content if self.keep_content else b""))
        self.busy += 1
        self._count("DOT")
        try:
            if self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)
            await self._behave(writer, behaviour, "250 2.0.0 taken over")
        finally:
            self.busy -= 1

    async def _answer(self, writer: asyncio.StreamWriter, verb: Verb, usual: str) -> bool:
        self._count(verb)
        return await self._behave(writer, self._next(verb), usual)

    def _count(self, verb: str) -> None:
        self.ready_for[verb] += 1
        self._arrived.set()

    def _next(self, verb: str) -> Behaviour | None:
        script = self._script[verb]
        return script.popleft() if script else self._always.get(verb)

    async def _behave(self, writer: asyncio.StreamWriter, behaviour: Behaviour | None, usual: str) -> bool:
        match behaviour:
            case Say(line):
                writer.write(f"{line}\r\n".encode())
                await writer.drain()
                if line.startswith("421"):
                    raise _Cut
                return False
            case Stall():
                await asyncio.Event().wait()
            case Drop():
                raise _Cut
            case None:
                writer.write(f"{usual}\r\n".encode())
                await writer.drain()
        return True


class _Cut(Exception):
    """The script ends this connection."""
