"""One connection to the relay, and the exact stage at which a send failed.

aiosmtplib carries the commands. The message itself is written here, since the whole difference between "try again" and
"nobody can know" is whether its last byte had left our buffers when the failure came.
"""

import asyncio
import re
import ssl
from typing import TypeVar

import aiosmtplib
from aiosmtplib.protocol import SMTPProtocol

from mail.smtp.address import without_addresses
from mail.smtp.model import Accepted, NotSent, Refused, Relay, SendResult, Stage, TlsMode, Unknown

ANSWER = TypeVar("ANSWER")
_DRAIN_POLL_SECONDS = 0.01
_REPLY_CHARACTERS_MAX = 300
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_CLASSIFICATION = {
    Stage.CONNECT: "smtp_connect_failed",
    Stage.MAIL: "smtp_connection_lost",
    Stage.RCPT: "smtp_connection_lost",
    Stage.DATA: "smtp_connection_lost",
    Stage.BODY: "smtp_connection_lost",
}


class SmtpConnection:
    """A session with the relay that sends one mail after another. Not for two tasks at once."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._client: aiosmtplib.SMTP | None = None
        self.used = 0
        """Mails sent through this session."""

    @property
    def open(self) -> bool:
        """Tell whether the session can be used again, as far as is known on this side."""
        return self._client is not None and self._client.is_connected

    async def send(self, recipient: str, message: bytes, until_dot: float, after_dot: float) -> SendResult:
        """Send one message to one recipient; `until_dot` and `after_dot` are seconds.

        Raises nothing that the relay can cause. Afterwards the session is either clean or gone.
        """
        stage = Stage.CONNECT
        try:
            async with asyncio.timeout(until_dot):
                client = await self._connected()
                stage = Stage.MAIL
                await self._command(Stage.MAIL, b"MAIL", b"FROM:<%b>" % self._relay.envelope_from.encode())
                stage = Stage.RCPT
                await self._command(Stage.RCPT, b"RCPT", b"TO:<%b>" % recipient.encode())
                stage = Stage.DATA
                await self._command(Stage.DATA, b"DATA", expect=354)
                stage = Stage.BODY
                protocol = client.protocol
                if protocol is None:
                    raise aiosmtplib.SMTPServerDisconnected("Connection lost")
                await _write_whole(protocol, message)
        except _RelayRefused as refusal:
            await self._after(refusal.result)
            return refusal.result
        except (TimeoutError, aiosmtplib.SMTPException, OSError, ssl.SSLError, ValueError) as error:
            self.abort()
            return _failed_before_dot(stage, error)
        except asyncio.CancelledError:
            self.abort()
            raise
        return await self._answer_to_dot(protocol, after_dot)

    async def _answer_to_dot(self, protocol: SMTPProtocol, after_dot: float) -> SendResult:
        try:
            response = await protocol.read_response(after_dot)
        except (TimeoutError, aiosmtplib.SMTPException, OSError) as error:
            self.abort()
            return Unknown(f"after the final dot: {type(error).__name__}")
        except asyncio.CancelledError:
            self.abort()
            raise
        if 200 <= response.code < 300:
            self.used += 1
            return Accepted(_said(response.code, response.message))
        refused = Refused(Stage.DOT, response.code, _said(None, response.message))
        await self._after(refused)
        return refused

    async def _connected(self) -> aiosmtplib.SMTP:
        if self._client is not None and self._client.is_connected:
            return self._client
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
        self._client, self.used = client, 0
        try:
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()
        except aiosmtplib.SMTPResponseException as error:
            raise _RelayRefused(Refused(Stage.CONNECT, error.code, _said(None, error.message))) from error
        return client

    async def _command(self, stage: Stage, *words: bytes, expect: int = 250) -> None:
        assert self._client is not None
        response = await self._client.execute_command(*words)
        if response.code != expect and not (expect == 250 and 200 <= response.code < 300):
            raise _RelayRefused(Refused(stage, response.code, _said(None, response.message)))

    async def _after(self, refused: Refused) -> None:
        """Make the session clean again; after 421, a refusal of us, or a code out of place, end it."""
        if refused.stage is Stage.CONNECT or refused.code == 421 or not 400 <= refused.code < 600:
            self.abort()
            return
        if refused.stage is Stage.DOT:
            return  # the transaction is over (RFC 5321, section 4.1.1.4)
        try:
            assert self._client is not None
            async with asyncio.timeout(5):
                await self._client.rset()
        except (TimeoutError, aiosmtplib.SMTPException, OSError):
            self.abort()

    def abort(self) -> None:
        """Drop the connection at once; bytes still in our buffers never leave, so a dot not yet written never does."""
        client, self._client = self._client, None
        if client is None:
            return
        transport = client.protocol.transport if client.protocol is not None else None
        if isinstance(transport, asyncio.WriteTransport) or hasattr(transport, "abort"):
            transport.abort()  # type: ignore[union-attr]
        client.close()

    async def quit(self) -> None:
        """End the session politely, within two seconds."""
        if self._client is None:
            return
        try:
            async with asyncio.timeout(2):
                await self._client.quit()
        except (TimeoutError, aiosmtplib.SMTPException, OSError):
            self.abort()
        self._client = None


class _RelayRefused(Exception):
    def __init__(self, result: Refused) -> None:
        super().__init__(str(result))
        self.result = result


async def _write_whole(protocol: SMTPProtocol, message: bytes) -> None:
    """Write the dot-stuffed message and wait until its last byte has left our buffers."""
    stuffed = message.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    protocol.write(stuffed + b".\r\n")
    while (transport := protocol.transport) is not None and transport.get_write_buffer_size():  # type: ignore[attr-defined]
        await asyncio.sleep(_DRAIN_POLL_SECONDS)
    if protocol.transport is None:
        # Lost while bytes were waiting or just as the last one left: the caller cannot tell, so it must not repeat blindly.
        return


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
