"""What the rooms of the game are built on, and what they give back to the process.

`backend.term.active` fills `Foundations`, calls `games.build(stack, settings, foundations)` and mounts, runs and watches
what the returned `Rooms` hold.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from fastapi import APIRouter

from backend.admin.ports import AuditLog, RequireOperator, Withdrawals
from backend.api.model import IdempotentCall, Player
from backend.api.ports import IdempotencyKeys
from backend.leadership.ports import Transactions
from backend.outbox.ports import Outbox
from backend.push.ports import PushRing
from backend.users.ports import Users
from kit.clock import Clock
from kit.faults import Faults
from kit.ids import NewId
from kit.postgres import Database
from kit.rest import ServiceAuth
from kit.tasks import Worker
from kit.telemetry import Telemetry


class Readiness(Protocol):
    """One reason for which the process may not be ready."""

    async def __call__(self) -> str | None:
        """Return None when ready, else a constant snake_case reason for `/readyz`."""


@dataclass(frozen=True)
class Foundations:
    """The ports of the active backend. Dependencies are for `Annotated[..., Depends(...)]` in routers."""

    clock: Clock
    new_id: NewId
    telemetry: Telemetry
    faults: Faults
    """Points at which a test may kill the process; each is a no-op in service."""
    database: Database
    """For kit parts that want a Database: its transactions are fenced like `transactions.write()`."""
    transactions: Transactions
    outbox: Outbox
    push_ring: PushRing
    users: Users
    service_auth: ServiceAuth
    current_player: Callable[..., Awaitable[Player]]
    """Dependency of the family `user`; mounted routers carry it already, ask for it again to get the Player."""
    idempotent_call: Callable[..., Awaitable[IdempotentCall | None]]
    """Dependency that reads `Idempotency-Key` and the request's fingerprint."""
    idempotency_keys: IdempotencyKeys
    require_operator: RequireOperator
    audit: AuditLog


@dataclass(frozen=True)
class Routers:
    """Routers by family, without the family's prefix: `/games` under `user` becomes `/api/v1/user/games`."""

    public: Sequence[APIRouter] = ()
    internal: Sequence[APIRouter] = ()
    user: Sequence[APIRouter] = ()
    admin: Sequence[APIRouter] = ()


@dataclass(frozen=True)
class Rooms:
    """What a set of rooms gives to the process."""

    routers: Routers
    withdrawals: Withdrawals
    workers: Sequence[Worker] = ()
    readiness: Sequence[Readiness] = ()
    reloads: Sequence[Callable[[], Awaitable[None]]] = ()
    """Each reads a cache's table over what the cache holds."""
