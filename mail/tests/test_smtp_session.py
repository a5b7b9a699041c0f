"""One connection to a relay, stage by stage: with and without pipelining, on both event loops, up to the last byte."""

import asyncio
import select
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from mail.chaos.sink import Behaviour, Drop, Say, Sink, Stall, Verb
from mail.smtp.connection import SmtpConnection
from mail.smtp.model import Accepted, LaneTimeouts, NotSent, Refused, Relay, SendResult, Stage, Unknown
from mail.smtp.pool import SmtpPool
from mail.smtp.session import Reply, Session, SessionEnded

MESSAGE = b"Subject: x\r\nMessage-ID: <1@mail.test>\r\n\r\n.a line with a dot\r\n"
LONG = b"Message-ID: <2@mail.test>\r\n\r\n" + b"x" * 78 * 200_000 + b"\r\n"
"""More than the sockets of both sides hold."""
BEFORE_DOT: list[Verb] = ["MAIL", "RCPT", "DATA"]
SOCKET_BYTES = 128 * 1024
AGES = 60.0
SHORT = 1.0
"""Only where a deadline is to pass; long enough for a busy machine to say the rest before it."""


@pytest.fixture(params=[False, True], ids=["one by one", "pipelining"])
async def sink(request: pytest.FixtureRequest) -> AsyncIterator[Sink]:
    async with Sink(pipelining=request.param).serving() as serving:
        yield serving


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[SmtpConnection]:
    connection = SmtpConnection(Relay("127.0.0.1", port, "galaxy@mail.test"))
    try:
        yield connection
    finally:
        connection.abort()


async def send(
    connection: SmtpConnection, message: bytes = MESSAGE, until_dot: float = AGES, after_dot: float = AGES
) -> SendResult:
    dot_by = asyncio.get_running_loop().time() + until_dot
    return await connection.send("ada@x.test", message, dot_by, after_dot)


async def test_commands_go_together_only_where_the_relay_says_so(sink: Sink):
    async with connected(sink.port) as connection:
        for number in (1, 2):
            assert await send(connection) == Accepted("250 2.0.0 taken over")
            assert sink.ahead == (2 * number if sink.pipelining else 0)
    assert (sink.connections, len(sink.taken)) == (1, 2)
    assert sink.taken[0].content.endswith(b"\r\n..a line with a dot\r\n.\r\n")


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("stage", [*BEFORE_DOT, "DOT"])
async def test_a_refusal_is_told_with_its_stage_and_the_session_goes_on(sink: Sink, stage: Verb, eager: bool):
    sink.eager = eager
    sink.once(stage, Say("550 5.7.1 no"))
    async with connected(sink.port) as connection:
        assert await send(connection) == Refused(Stage(stage.lower()), 550, "5.7.1 no")
        assert await send(connection) == Accepted("250 2.0.0 taken over")
    assert (sink.connections, len(sink.taken)) == (1, 1)


@pytest.mark.parametrize("then", [Stall(), Drop(), Say("nonsense")])
@pytest.mark.parametrize(("stage", "next_stage"), [("MAIL", "RCPT"), ("RCPT", "DATA")])
async def test_a_refusal_counts_whatever_follows_it(
    sink: Sink, stage: Verb, next_stage: Verb, then: Behaviour
):
    sink.once(stage, Say("550 5.7.1 no"))
    sink.once(next_stage, then)
    async with connected(sink.port) as connection:
        await connection._connected()
        result = await send(connection, until_dot=SHORT if then == Stall() else AGES)
        assert result == Refused(Stage(stage.lower()), 550, "5.7.1 no")
    assert sink.taken == []


async def test_a_relay_that_takes_a_recipient_without_a_sender_gets_no_message_at_all():
    """Against RFC 5321: an empty message written to end its DATA would reach somebody."""
    said = {b"EHLO": b"250-odd\r\n250 PIPELINING", b"MAIL": b"550 no", b"DATA": b"354 go on"}
    heard: list[bytes] = []

    async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 odd\r\n")
        while line := await reader.readline():
            heard.append(line)
            writer.write(said.get(line[:4].upper(), b"250 fine") + b"\r\n")
        writer.close()
        gone.set()

    gone = asyncio.Event()
    server = await asyncio.start_server(odd, "127.0.0.1", 0)
    async with server, connected(server.sockets[0].getsockname()[1]) as connection:
        assert await send(connection) == Refused(Stage.MAIL, 550, "no")
        await gone.wait()
    assert heard[-1] == b"DATA\r\n"


@pytest.mark.parametrize("stage", BEFORE_DOT)
@pytest.mark.parametrize(
    ("behaviour", "classification"),
    [(Stall(), "smtp_timeout"), (Drop(), "smtp_connection_lost"), (Say("no SMTP"), "smtp_connection_lost")],
)
async def test_what_breaks_before_the_dot_is_certainly_not_sent(
    sink: Sink, stage: Verb, behaviour: Behaviour, classification: str
):
    sink.once(stage, behaviour)
    async with connected(sink.port) as connection:
        await connection._connected()
        result = await send(connection, until_dot=SHORT if behaviour == Stall() else AGES)
        assert isinstance(result, NotSent)
        assert result.classification == classification
        assert stage.lower() in result.error
        assert not connection.open
    assert sink.taken == []


@pytest.mark.parametrize("behaviour", [Stall(), Drop()])
async def test_what_breaks_after_the_dot_is_unknown(sink: Sink, behaviour: Behaviour):
    sink.once("DOT", behaviour)
    async with connected(sink.port) as connection:
        result = await send(connection, after_dot=SHORT if behaviour == Stall() else AGES)
        assert isinstance(result, Unknown)
        assert not connection.open
    assert len(sink.taken) == 1


async def test_a_word_of_the_relay_in_between_is_no_answer_to_the_next_mail(sink: Sink):
    timeouts = LaneTimeouts(*[timedelta(minutes=1)] * 3)
    pool = SmtpPool(Relay("127.0.0.1", sink.port, "galaxy@mail.test"), timeouts, 1)
    assert isinstance(await pool.send("ada@x.test", MESSAGE), Accepted)
    await sink.say_unasked("250 2.0.0 so what")
    await asyncio.to_thread(lambda: None)  # a turn of the loop, in which it is heard
    assert isinstance(await pool.send("ada@x.test", MESSAGE), Accepted)
    assert (sink.connections, len(sink.taken)) == (2, 2)
    await pool.close()


async def test_a_stale_session_and_its_successor_have_one_deadline(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
):
    deadlines = []
    really_send = SmtpConnection.send

    async def noting(self: SmtpConnection, *rest: object) -> SendResult:
        deadlines.append(rest[2])
        return await really_send(self, *rest)  # type: ignore[arg-type]

    pool = SmtpPool(
        Relay("127.0.0.1", sink.port, "galaxy@mail.test"), LaneTimeouts(*[timedelta(minutes=1)] * 3), 1
    )
    assert isinstance(await pool.send("ada@x.test", MESSAGE), Accepted)
    monkeypatch.setattr(SmtpConnection, "send", noting)
    sink.once("MAIL", Drop())
    assert isinstance(await pool.send("ada@x.test", MESSAGE), Accepted)
    assert len(deadlines) == 2
    assert len(set(deadlines)) == 1
    await pool.close()


class SlowReader:
    """A relay in a thread of its own that reads nothing after its 354 until it is told to."""

    def __init__(self, answer: bytes = b"250 2.0.0 taken over\r\n") -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BYTES)
        self.port: int = self._server.getsockname()[1]
        self._answer = answer
        self.at_the_body = threading.Event()
        self.may_read = threading.Event()
        self.waiting = 1
        self.has_read = threading.Event()
        """Set when so many bytes have been read as were `waiting`, so that the sender can write again."""
        self.content = b""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        session, _ = self._server.accept()
        with session, session.makefile("rb") as lines:
            session.sendall(b"220 slow\r\n")
            while (line := lines.readline()) and not line.startswith(b"DATA"):
                session.sendall(b"250 fine\r\n")
            session.sendall(b"354 go on\r\n")
            self.at_the_body.set()
            self.may_read.wait(AGES)
            content = bytearray()
            try:
                while not content.endswith(b"\r\n.\r\n") and (part := session.recv(2**20)):
                    content += part
                    if len(content) >= self.waiting:
                        self.has_read.set()
            except ConnectionError:
                pass
            self.content = bytes(content)
            self.has_read.set()
            if content.endswith(b"\r\n.\r\n"):
                session.sendall(self._answer)

    def ended(self) -> None:
        """Wait until its session is over."""
        self.may_read.set()
        self._thread.join(AGES)
        self._server.close()


LOOPS = pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
NewLoop = Callable[[], asyncio.AbstractEventLoop]


@LOOPS
def test_bytes_that_have_not_left_by_the_deadline_never_leave(new_loop: NewLoop):
    relay = SlowReader()

    async def scene() -> None:
        async with connected(relay.port) as connection:
            result = await send(connection, LONG, until_dot=SHORT)
            assert isinstance(result, NotSent)
            assert result.classification == "smtp_timeout"

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(scene())
    relay.ended()
    assert not relay.content.endswith(b"\r\n.\r\n")


@LOOPS
def test_a_long_message_that_is_read_in_time_is_accepted(new_loop: NewLoop):
    relay = SlowReader()

    async def scene() -> None:
        async with connected(relay.port) as connection:
            sending = asyncio.ensure_future(send(connection, LONG))
            await asyncio.to_thread(relay.at_the_body.wait, AGES)
            relay.may_read.set()
            assert await sending == Accepted("250 2.0.0 taken over")

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(scene())
    relay.ended()
    assert len(relay.content) == len(LONG) + 3


async def at_the_body(
    relay: SlowReader, message: bytes, dot_by: float
) -> tuple[Session, asyncio.Task[SendResult]]:
    """Begin to send through sockets of a fixed size; return when some of the message stays behind in our own buffers."""
    connection = SmtpConnection(Relay("127.0.0.1", relay.port, "galaxy@mail.test"))
    session = await connection._connected()
    session._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)
    sending = asyncio.ensure_future(connection.send("ada@x.test", message, dot_by, AGES))
    await asyncio.to_thread(relay.at_the_body.wait, AGES)
    while session.left_us and not sending.done():
        await asyncio.sleep(0)
    return session, sending


def has_left(session: Session, message: bytes) -> int:
    return len(message) + 3 - session._transport.get_write_buffer_size()


async def taken_by_the_sockets(new_relay: Callable[[], SlowReader]) -> int:
    """Measure how much of a message leaves us although nobody reads it."""
    relay = new_relay()
    session, sending = await at_the_body(relay, LONG, asyncio.get_running_loop().time() + AGES)
    left = len(LONG) + 3 - session._transport.get_write_buffer_size()
    sending.cancel()
    await asyncio.wait([sending])
    await asyncio.to_thread(relay.ended)
    return left


class WoundLoop(asyncio.SelectorEventLoop):
    """A loop whose clock can be put forward."""

    ahead = 0.0

    def time(self) -> float:
        """Return its idea of the time."""
        return super().time() + self.ahead


def test_a_last_byte_that_leaves_as_the_deadline_passes_is_not_called_unsent():
    """The last bytes leave in the very turn of the loop in which the deadline passes: the relay has the mail."""
    relay = SlowReader()
    loop = WoundLoop()

    async def scene() -> SendResult:
        message = LONG[: await taken_by_the_sockets(SlowReader) + 8 * 1024] + b"\r\n"
        session, sending = await at_the_body(relay, message, loop.time() + AGES)
        relay.waiting = has_left(session, message)
        # The loop stands still from here: the relay reads what the sockets hold, and the deadline passes.
        relay.may_read.set()
        relay.has_read.wait(AGES)
        select.select([], [session._transport.get_extra_info("socket").fileno()], [], AGES)
        loop.ahead = AGES
        return await sending

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        result = runner.run(scene())
    relay.ended()
    assert relay.content.endswith(b"\r\n.\r\n"), "the case that is to be shown"
    assert result == Accepted("250 2.0.0 taken over")


@given(st.data())
def test_replies_are_read_alike_however_they_are_cut(data: st.DataObject):
    wire = b"250-first\r\n250-\r\n250 last\r\n354 go on\r\n550 5.1.1 nobody\r\n"
    session = Session(asyncio.Transport(), pipelining=True)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    read: list[Reply] = []
    for begin, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        session.data_received(wire[begin:end])
        while (reply := session._next_reply()) is not None:
            read.append(reply)
    assert read == [Reply(250, "first\n\nlast"), Reply(354, "go on"), Reply(550, "5.1.1 nobody")]


@pytest.mark.parametrize("junk", [b"hello\r\n", b"25\r\n", b"250_x\r\n", b"x" * 40_000])
def test_what_is_no_reply_ends_the_session(junk: bytes):
    session = Session(asyncio.Transport(), pipelining=True)
    session.data_received(junk)
    with pytest.raises(SessionEnded):
        session._next_reply()
