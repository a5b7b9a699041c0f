"""Refusals of sign-in and of device sessions.

Refusal
├── TooManyCodes        too many
├── CodeWrong           unauthenticated (says how many tries are left)
├── ChallengeOver       gone
├── AccountBlocked      forbidden
├── SessionNotFound     not found
└── LinkOver            gone
"""

from kit.refusals import Refusal, RefusalKind


class TooManyCodes(Refusal):
    """Too many codes were asked for; try again later."""

    code = "auth.too_many_codes"
    kind = RefusalKind.TOO_MANY


class CodeWrong(Refusal):
    """This is not the code."""

    code = "auth.code_wrong"
    kind = RefusalKind.UNAUTHENTICATED


class ChallengeOver(Refusal):
    """This code is no longer valid; ask for a new one."""

    code = "auth.challenge_over"
    kind = RefusalKind.GONE


class AccountBlocked(Refusal):
    """This account is blocked."""

    code = "auth.account_blocked"
    kind = RefusalKind.FORBIDDEN


class SessionNotFound(Refusal):
    """There is no such device session."""

    code = "session.not_found"
    kind = RefusalKind.NOT_FOUND


class LinkOver(Refusal):
    """This link is not valid any more."""

    code = "auth.link_over"
    kind = RefusalKind.GONE
