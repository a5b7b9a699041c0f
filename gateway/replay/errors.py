"""Refusals of the freshness and replay stage.

Refusal
├── StaleTimestamp          the clocks differ by more than the window; the answer carries ours, signed
├── ReplayedRequest         the id was used before
├── ReplayStoreRebuilding   the store was lost: this request might have counted already
└── ReplayStoreUnavailable  the store cannot be asked; nothing passes
ReplayStoreAway             the storage's failure behind the last
"""

from kit.refusals import Refusal, RefusalKind


class StaleTimestamp(Refusal):
    """timestamp_ms is outside the freshness window"""

    code = "stale_timestamp"
    kind = RefusalKind.CONFLICT


class ReplayedRequest(Refusal):
    """request_id was used before"""

    code = "replayed_request"
    kind = RefusalKind.CONFLICT


class ReplayStoreRebuilding(Refusal):
    """replay protection is being rebuilt; try again shortly"""

    code = "replay_store_rebuilding"
    kind = RefusalKind.UNAVAILABLE


class ReplayStoreUnavailable(Refusal):
    """replay protection is away; try again shortly"""

    code = "replay_store_unavailable"
    kind = RefusalKind.UNAVAILABLE


class ReplayStoreAway(Exception):
    """Redis cannot be reached or refuses writes."""
