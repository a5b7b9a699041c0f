"""Errors of the deliveries room.

Refusal
├── DeliveryNotFound     404 mail.delivery_not_found
├── AlreadySent          409 mail.already_sent
├── BeingSent            409 mail.being_sent
├── DeliverySuppressed   409 mail.suppressed
└── CodeOver             409 mail.code_over
"""

from kit.refusals import Refusal, RefusalKind


class DeliveryNotFound(Refusal):
    """There is no such delivery."""

    code = "mail.delivery_not_found"
    kind = RefusalKind.NOT_FOUND


class AlreadySent(Refusal):
    """It was sent; sending it again would be another mail."""

    code = "mail.already_sent"
    kind = RefusalKind.CONFLICT


class BeingSent(Refusal):
    """A worker is sending it at this moment; look again shortly."""

    code = "mail.being_sent"
    kind = RefusalKind.CONFLICT


class DeliverySuppressed(Refusal):
    """It is not to be sent: the address or the account is gone."""

    code = "mail.suppressed"
    kind = RefusalKind.CONFLICT


class CodeOver(Refusal):
    """Its code or link has run out; the person must ask for a new one."""

    code = "mail.code_over"
    kind = RefusalKind.CONFLICT
