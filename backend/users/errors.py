"""Refusals of the room `users`.

Refusal
├── UserNotFound        not found
├── AccountNotActive    forbidden
├── AccountDeleted      conflict
├── UnknownTimeZone     invalid
└── LinkOver            gone
"""

from kit.refusals import Refusal, RefusalKind


class UserNotFound(Refusal):
    """There is no such user."""

    code = "user.not_found"
    kind = RefusalKind.NOT_FOUND


class AccountNotActive(Refusal):
    """This account is blocked or deleted."""

    code = "user.not_active"
    kind = RefusalKind.FORBIDDEN


class AccountDeleted(Refusal):
    """This account is deleted, for good."""

    code = "user.deleted"
    kind = RefusalKind.CONFLICT


class UnknownTimeZone(Refusal):
    """The time zone is no IANA name, such as Europe/Berlin."""

    code = "user.unknown_time_zone"
    kind = RefusalKind.INVALID


class AddressMalformed(Refusal):
    """This is no e-mail address."""

    code = "user.email_malformed"
    kind = RefusalKind.INVALID


class NothingToChange(Refusal):
    """The request names nothing to change."""

    code = "user.nothing_to_change"
    kind = RefusalKind.INVALID


class LinkOver(Refusal):
    """This link is not valid."""

    code = "user.link_over"
    kind = RefusalKind.GONE
