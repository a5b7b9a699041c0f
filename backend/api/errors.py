"""Refusals of the REST families.

Refusal
├── KeyReused       conflict
└── KeyMalformed    invalid
"""

from kit.refusals import Refusal, RefusalKind


class KeyReused(Refusal):
    """This idempotency key belongs to another request."""

    code = "idempotency.key_reused"
    kind = RefusalKind.CONFLICT


class KeyMalformed(Refusal):
    """An idempotency key has 1 to 128 characters out of letters, digits and . _ : -."""

    code = "idempotency.key_malformed"
    kind = RefusalKind.INVALID
