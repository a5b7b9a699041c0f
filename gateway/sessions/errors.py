"""What a session lookup can end with instead of a session.

Refusal
└── SessionRevoked      final: no later answer of the backend undoes it
SessionUnknown          never shown as such; see pipeline.errors.NotAuthenticated
SessionSourceUnavailable  a failure: the backend gave no usable answer
"""

from kit.refusals import Refusal, RefusalKind


class SessionRevoked(Refusal):
    """device session is revoked"""

    code = "session_revoked"
    kind = RefusalKind.GONE


class SessionUnknown(Exception):
    """The backend knows no such session."""


class SessionSourceUnavailable(Exception):
    """The backend cannot be asked just now."""
