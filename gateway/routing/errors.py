"""Refusals and failures of routing.

Refusal
└── NoRoute          no such message type
BackendFailed        a defect on the other side: it answered a server error
"""

from kit.refusals import Refusal, RefusalKind


class NoRoute(Refusal):
    """no route for this message type"""

    code = "no_route"
    kind = RefusalKind.NOT_FOUND


class BackendFailed(Exception):
    """The backend answered a server error; the text is for our log alone."""
