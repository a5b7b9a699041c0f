"""The bytes of an open SMTP session: commands out, replies in, and whether what was written has left our buffers.

aiosmtplib opens the session (greeting, EHLO, STARTTLS, login). From then on its transport talks to this protocol, because
aiosmtplib knows no pipelining: it drops whatever arrives beyond the reply that it is waiting for.
"""

import asyncio
from typing import NamedTuple

_REPLY_BYTES_MAX = 32 * 1024


class SessionEnded(ConnectionError):
    """The relay or the network ended the session, or what came was no SMTP."""


class Reply(NamedTuple):
    """What the relay answered to one command."""

    code: int
    text: str


class Session(asyncio.Protocol):
    """Commands and replies of one open session, in order. Not for two tasks at once."""

    def __init__(self, transport: asyncio.Transport, *, pipelining: bool) -> None:
        self.pipelining = pipelining
        """Whether the relay takes several commands at once (RFC 2920)."""
        self._transport = transport
        self._received = bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self._ended = ""
        self._left = True

    @staticmethod
    def take_over(transport: asyncio.Transport, *, pipelining: bool) -> "Session":
        """Go on with the transport of a session that has been greeted, and waits for a command."""
        session = Session(transport, pipelining=pipelining)
        transport.set_protocol(session)
        # Hear of every byte that stays behind: a plain transport pauses above the mark, one with TLS at it.
        over_tls = transport.get_extra_info("ssl_object") is not None
        transport.set_write_buffer_limits(high=1 if over_tls else 0, low=0)
        if transport.is_closing():
            session.connection_lost(None)
        return session

    @property
    def usable(self) -> bool:
        """Tell whether the next command can be written: the session lasts and nothing unasked has come in."""
        return not self._ended and not self._received and not self._transport.is_closing()

    @property
    def left_us(self) -> bool:
        """Tell whether all that was written has left our buffers: the relay may have it."""
        return self._left or (not self._ended and self._transport.get_write_buffer_size() == 0)

    def write(self, data: bytes) -> None:
        """Write bytes. Raises SessionEnded."""
        if self._ended or self._transport.is_closing():
            raise SessionEnded(self._ended or "closed on our side")
        self._left = False
        self._transport.write(data)
        self._left = self._transport.get_write_buffer_size() == 0

    async def leaves(self) -> None:
        """Wait until all that was written has left our buffers. Raises SessionEnded when it never will."""
        while not self.left_us:
            await self._news()

    async def reply(self) -> Reply:
        """Wait for the next reply in the order of the commands. Raises SessionEnded."""
        while (reply := self._next_reply()) is None:
            await self._news()
        return reply

    def abort(self) -> None:
        """Drop the connection at once; bytes still in our buffers never leave."""
        self._transport.abort()

    def leave(self) -> None:
        """Say QUIT and close without waiting for the answer, which changes nothing."""
        if not self._ended and not self._transport.is_closing():
            self._transport.write(b"QUIT\r\n")
        self._transport.close()

    async def _news(self) -> None:
        if self._ended:
            raise SessionEnded(self._ended)
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _next_reply(self) -> Reply | None:
        """Take one reply, all lines of it, out of what was received (RFC 5321, section 4.2)."""
        begin, texts = 0, []
        while (end := self._received.find(b"\n", begin)) >= 0:
            line = bytes(self._received[begin:end]).rstrip(b"\r")
            begin = end + 1
            if len(line) < 3 or not line[:3].isdigit() or line[3:4] not in b" -":
                raise SessionEnded("the relay's answer was no SMTP")
            texts.append(line[4:].strip().decode("utf-8", "replace"))
            if line[3:4] != b"-":
                del self._received[:begin]
                return Reply(int(line[:3]), "\n".join(texts))
        if len(self._received) > _REPLY_BYTES_MAX:
            raise SessionEnded("the relay's answer does not end")
        return None

    def _tell(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What the transport tells us

    def data_received(self, data: bytes) -> None:
        """Keep what came, also what nobody asked for: it shows that replies and commands no longer match."""
        self._received += data
        if len(self._received) > 2 * _REPLY_BYTES_MAX:
            self._transport.abort()
        self._tell()

    def resume_writing(self) -> None:
        """Hear that the last byte has left."""
        self._left = True
        self._tell()

    def eof_received(self) -> bool:
        """Hear that the relay says no more; the transport then closes."""
        self._end("the relay closed the connection")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Hear that the connection is gone."""
        self._end(f"the connection was lost ({type(exc).__name__})" if exc else "the connection was lost")

    def _end(self, why: str) -> None:
        self._ended = self._ended or why
        self._tell()
