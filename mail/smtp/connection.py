"""One connection to the relay, and the exact stage at which a send failed.

aiosmtplib opens the session, `Session` carries what follows: the whole difference between "try again" and "nobody can know"
is whether the last byte of the message had left our buffers when the failure came.
"""

import asyncio
import re
import ssl
from typing import cast

import aiosmtplib

from mail.smtp.address import without_addresses
from mail.smtp.model import Accepted, NotSent, Refused, Relay, SendResult, Stage, TlsMode, Unknown
from mail.smtp.session import Session, SessionEnded

_CLEAN_UP_SECONDS = 5.0
_REPLY_CHARACTERS_MAX = 300
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_CONTROL_BYTES = re.compile(rb"[\x00-\x1f\x7f]")
_CLASSIFICATION = {
    Stage.CONNECT: "smtp_connect_failed",
    Stage.MAIL: "smtp_connection_lost",
    Stage.RCPT: "smtp_connection_lost",
    Stage.DATA: "smtp_connection_lost",
    Stage.BODY: "smtp_connection_lost",
}
_FAILURES = (TimeoutError, aiosmtplib.SMTPException, OSError, ValueError)


class SmtpConnection:
    """A session with the relay that sends one mail after another. Not for two tasks at once."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._session: Session | None = None
        self.used = 0
        """Mails sent through this session."""

    @property
    def open(self) -> bool:
        """Tell whether the session can be used again, as far as is known on this side."""
        return self._session is not None and self._session.usable

    async def send(self, recipient: str, message: bytes, dot_by: float, after_dot: float) -> SendResult:
        """Send one message to one recipient.

        `dot_by` is the instant, on the loop's clock, by which the last byte must have left; `after_dot` are the seconds for
        the answer to it. Raises nothing that the relay can cause. Afterwards the session is either clean or gone.
        """
        stages = _Stages()
        try:
            async with asyncio.timeout_at(dot_by):
                session = await self._connected()
                await self._envelope(session, recipient, stages)
                session.write(_stuffed(message))
                stages.now = Stage.BODY
                await session.leaves()
        except _RelayRefused as refusal:
            await self._after(refusal.result, dot_by)
            return refusal.result
        except _FAILURES as error:
            session_now = self._session
            # Only bytes that we still hold can be held back: where none are left, the relay may have the whole message.
            if stages.now is not Stage.BODY or session_now is None or not session_now.left_us:
                self.abort()
                return stages.refused or _failed_before_dot(stages.now, error)
            session = session_now
        except asyncio.CancelledError:
            self.abort()
            raise
        return await self._answer_to_dot(session, after_dot)

    async def _envelope(self, session: Session, recipient: str, stages: "_Stages") -> None:
        """Say MAIL, RCPT and DATA: in one go where the relay allows that, else one by one.

        Raises _RelayRefused with the first refusal, after the replies to all that was said.
        """
        commands = {
            Stage.MAIL: _command(b"MAIL FROM:<%b>" % self._relay.envelope_from.encode()),
            Stage.RCPT: _command(b"RCPT TO:<%b>" % recipient.encode()),
            Stage.DATA: _command(b"DATA"),
        }
        stages.now = Stage.MAIL
        if session.pipelining:
            session.write(b"".join(commands.values()))
        nobody = False
        for stage, command in commands.items():
            stages.now = stage
            if not session.pipelining:
                session.write(command)
            reply = await session.reply()
            if stage is Stage.RCPT:
                nobody = reply.code >= 400
            if stages.refused is None and not _right(stage, reply.code):
                stages.refused = Refused(stage, reply.code, _said(None, reply.text))
            if stages.refused is None:
                continue
            if not session.pipelining or stages.refused.code == 421:
                break
            if stage is Stage.DATA and _right(stage, reply.code):
                await self._give_nothing(session, nobody=nobody)
        if stages.refused is not None:
            raise _RelayRefused(stages.refused)

    async def _give_nothing(self, session: Session, *, nobody: bool) -> None:
        """End a DATA that the relay granted after a refusal (RFC 2920, section 3.1): with an empty message, to nobody."""
        if nobody:
            session.write(b"\r\n.\r\n")
            await session.reply()
        else:
            self.abort()  # it took a recipient without a sender: no message at all is the only one that reaches nobody

    async def _answer_to_dot(self, session: Session, after_dot: float) -> SendResult:
        try:
            async with asyncio.timeout(after_dot):
                reply = await session.reply()
        except _FAILURES as error:
            self.abort()
            return _unknown(error)
        except asyncio.CancelledError:
            self.abort()
            raise
        if 200 <= reply.code < 300:
            self.used += 1
            return Accepted(_said(reply.code, reply.text))
        refused = Refused(Stage.DOT, reply.code, _said(None, reply.text))
        await self._after(refused)
        return refused

    async def _connected(self) -> Session:
        if self._session is not None and self._session.usable:
            return self._session
        self.abort()
        relay = self._relay
        client = aiosmtplib.SMTP(
            hostname=relay.host,
            port=relay.port,
            use_tls=relay.tls_mode is TlsMode.TLS,
            start_tls=relay.tls_mode is TlsMode.STARTTLS,
            username=relay.username or None,
            password=relay.password or None,
            tls_context=_tls_context(relay),
            local_hostname=relay.domain or "localhost",
            timeout=None,
        )
        try:
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()
            transport = _transport(client)
            if transport is None:
                raise SessionEnded("the connection was lost")
            pipelining = client.supports_extension("pipelining")
            self._session, self.used = Session.take_over(transport, pipelining=pipelining), 0
        except aiosmtplib.SMTPResponseException as error:
            raise _RelayRefused(Refused(Stage.CONNECT, error.code, _said(None, error.message))) from error
        finally:
            if self._session is None:
                _abort(client)
        return self._session

    async def _after(self, refused: Refused, by: float | None = None) -> None:
        """Make the session clean again; after 421, a refusal of us, or a code out of place, end it.

        `by` is the latest end on the loop's clock: no outcome may be known later than its deadline.
        """
        if refused.stage is Stage.CONNECT or refused.code == 421 or not 400 <= refused.code < 600:
            self.abort()
            return
        if refused.stage is Stage.DOT:
            return  # the transaction is over (RFC 5321, section 4.1.1.4)
        if self._session is None:
            return
        until = asyncio.get_running_loop().time() + _CLEAN_UP_SECONDS
        try:
            async with asyncio.timeout_at(until if by is None else min(by, until)):
                self._session.write(b"RSET\r\n")
                if (await self._session.reply()).code != 250:
                    self.abort()
        except _FAILURES:
            self.abort()
        except asyncio.CancelledError:
            self.abort()
            raise

    def abort(self) -> None:
        """Drop the connection at once; bytes still in our buffers never leave, so a dot not yet written never does."""
        session, self._session = self._session, None
        if session is not None:
            session.abort()

    def leave(self) -> None:
        """End the session politely, without waiting."""
        session, self._session = self._session, None
        if session is not None:
            session.leave()


class _Stages:
    """How far a send has come, and the first refusal that it met."""

    now = Stage.CONNECT
    refused: Refused | None = None


class _RelayRefused(Exception):
    def __init__(self, result: Refused) -> None:
        super().__init__(str(result))
        self.result = result


def _abort(client: aiosmtplib.SMTP) -> None:
    if (transport := _transport(client)) is not None:
        transport.abort()
    client.close()


def _transport(client: aiosmtplib.SMTP) -> asyncio.Transport | None:
    return cast(
        "asyncio.Transport | None", client.protocol.transport if client.protocol is not None else None
    )


def _right(stage: Stage, code: int) -> bool:
    return code == 354 if stage is Stage.DATA else 200 <= code < 300


def _command(line: bytes) -> bytes:
    """Write a command line. Raises ValueError where it would be more than one."""
    if _CONTROL_BYTES.search(line):
        raise ValueError("a control character in a command")
    return line + b"\r\n"


def _stuffed(message: bytes) -> bytes:
    """Return the message as it goes over the wire, with its final dot (RFC 5321, section 4.5.2)."""
    stuffed = message.replace(b"\r\n.", b"\r\n..")
    return (b"." + stuffed if stuffed.startswith(b".") else stuffed) + b".\r\n"


def _unknown(error: Exception) -> Unknown:
    return Unknown(f"after the final dot: {type(error).__name__}")


def _failed_before_dot(stage: Stage, error: Exception) -> NotSent:
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return NotSent("smtp_tls_failed", type(error).__name__)
    if isinstance(error, aiosmtplib.SMTPNotSupported | aiosmtplib.SMTPException) and "STARTTLS" in str(error):
        return NotSent("smtp_tls_failed", "the relay offers no STARTTLS")
    if isinstance(error, TimeoutError) and not isinstance(error, aiosmtplib.SMTPConnectError):
        return NotSent("smtp_timeout", f"no answer at {stage}")
    return NotSent(
        _CLASSIFICATION[stage], f"{stage}: {type(error).__name__}: {_said(None, str(error))}".rstrip(": ")
    )


def _said(code: int | None, text: str) -> str:
    clean = without_addresses(_CONTROL.sub(" ", text)).strip()[:_REPLY_CHARACTERS_MAX]
    return f"{code} {clean}".strip() if code is not None else clean


def _tls_context(relay: Relay) -> ssl.SSLContext | None:
    if relay.tls_mode is TlsMode.NONE:
        return None
    context = ssl.create_default_context()
    if relay.ca_path:
        context.load_verify_locations(relay.ca_path)
    return context
