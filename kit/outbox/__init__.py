"""The outbox: entries written in the transaction that causes them, delivered later by workers that may die at any moment.

What this room owns: claiming (lease, token, attempts history), the retry ladder, dead letters, the pause while a transport
is away. What it leaves to the caller: the table's payload columns, inserting entries, and the act of delivering.

Invariants:
- an entry is claimed by one token at a time; a completion under an older token changes no row;
- only the database's `now()` decides leases and schedules;
- no transaction is open while an entry is being delivered;
- a transport that is away altogether costs no attempt; only a refusal of that very entry does;
- an attempt that may have come through, and of which nobody knows, is `unknown` in the history and never taken out of it;
- the history holds attempts, not claims: one that was given back untried leaves no trace in it;
- `attempt_no` numbers the attempts over the life of an entry; `attempts_left_from` marks where its present series began.

One table of this shape is a *lane*; `queries.sql` gives its columns.
"""

from kit.outbox.model import (
    Claim,
    Dead,
    Delivered,
    Lane,
    LaneSettings,
    Outcome,
    Retry,
    TransportAway,
)
from kit.outbox.notify import NotifyWaker
from kit.outbox.storage import LaneStorage
from kit.outbox.worker import Counts, NoObserver, Observer, OutboxWorker, Transport

__all__ = [
    "Claim",
    "Counts",
    "Dead",
    "Delivered",
    "Lane",
    "LaneSettings",
    "LaneStorage",
    "NoObserver",
    "NotifyWaker",
    "Observer",
    "OutboxWorker",
    "Outcome",
    "Retry",
    "Transport",
    "TransportAway",
]
