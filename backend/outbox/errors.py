"""Refusals of the outbox.

Refusal
├── EntryNotFound       not found
├── EntryNotDead        conflict
├── EntryOver           conflict
├── DeliveryNotFound    not found
├── ResendRefused       conflict
└── MailServiceAway     unavailable
"""

from kit.refusals import Refusal, RefusalKind


class EntryNotFound(Refusal):
    """There is no such outbox entry."""

    code = "outbox.entry_not_found"
    kind = RefusalKind.NOT_FOUND


class EntryNotDead(Refusal):
    """Only a dead letter can be armed again."""

    code = "outbox.entry_not_dead"
    kind = RefusalKind.CONFLICT


class EntryOver(Refusal):
    """This entry has run out and its content is erased."""

    code = "outbox.entry_over"
    kind = RefusalKind.CONFLICT


class DeliveryNotFound(Refusal):
    """There is no such delivery."""

    code = "mail.delivery_not_found"
    kind = RefusalKind.NOT_FOUND


class ResendRefused(Refusal):
    """A delivery in this state is not sent again."""

    code = "mail.resend_refused"
    kind = RefusalKind.CONFLICT


class MailServiceAway(Refusal):
    """The mail service does not answer; what the outbox itself holds is under /outbox/dead-letters."""

    code = "mail.service_away"
    kind = RefusalKind.UNAVAILABLE
