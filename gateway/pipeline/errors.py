"""Refusals that more than one stage gives.

Refusal
├── NotAuthenticated     nobody may learn whether the session or the signature was wrong
└── BackendUnavailable   the backend gave no usable answer
"""

from kit.refusals import Refusal, RefusalKind


class NotAuthenticated(Refusal):
    """the request is not authenticated"""

    code = "unauthenticated"
    kind = RefusalKind.UNAUTHENTICATED


class BackendUnavailable(Refusal):
    """the backend cannot be reached; try again shortly"""

    code = "backend_unavailable"
    kind = RefusalKind.UNAVAILABLE
