"""How streams end by our doing, as clients see it.

Refusal
├── sessions.errors.SessionRevoked   "device session is revoked"
├── StreamOverflowed                 the client did not keep up
└── GatewayShuttingDown              connect again, to whoever answers
"""

from kit.refusals import Refusal, RefusalKind


class StreamOverflowed(Refusal):
    """push stream overflowed"""

    code = "push_stream_overflowed"
    kind = RefusalKind.TOO_MANY


class GatewayShuttingDown(Refusal):
    """gateway is shutting down"""

    code = "shutting_down"
    kind = RefusalKind.UNAVAILABLE
