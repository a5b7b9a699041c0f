"""The SMTP door: everything is accepted for everybody, and nothing is sent on."""

import sys

from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.embedded.mailcatcher.storage import MESSAGE_BYTES_MAX, Mailbox


class Catcher:
    """What the SMTP server asks when a message is complete."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802 - aiosmtpd's
        """Keep the message, or ask the sender to try again when there is no room for it."""
        content = envelope.content or b""
        raw = content if isinstance(content, bytes) else content.encode()
        try:
            summary = self._mailbox.add(
                raw, return_path=envelope.mail_from or "", recipients=tuple(envelope.rcpt_tos)
            )
        except OSError as error:
            sys.stderr.write(f"a message could not be stored: {error.strerror}\n")
            return "452 4.3.1 Insufficient system storage"
        return f"250 2.0.0 Ok: caught as {summary.id}"


def smtp_protocol(mailbox: Mailbox) -> SMTP:
    """Return the protocol of one connection."""
    return SMTP(
        Catcher(mailbox),
        data_size_limit=MESSAGE_BYTES_MAX,
        enable_SMTPUTF8=True,
        hostname="mailcatcher",
        ident="Galaxy mail catcher",
    )
