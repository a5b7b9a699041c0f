"""Operators and what is written down of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Role(StrEnum):
    """What an operator may do; each role includes those before it."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    OWNER = "owner"

    def includes(self, other: "Role") -> bool:
        """Tell whether this role may do what `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True)
class Operator:
    """One operator, without secrets."""

    operator_id: str
    login: str
    role: Role
    totp_enabled: bool
    disabled: bool
    created_at: datetime
    version: int


@dataclass(frozen=True)
class Credentials:
    """An operator with what proves them; leaves the room only as the Operator."""

    operator: Operator
    password_hash: str
    totp_secret_sealed: str | None
    totp_last_step: int
    """The latest 30 s step whose code was used; no code works twice."""
    failures: int
    locked_until: datetime | None

    @property
    def version(self) -> int:
        """Return the row's version, for the cache."""
        return self.operator.version


@dataclass(frozen=True)
class OperatorSession:
    """A signed-in operator."""

    operator: Operator
    token_hash: bytes


@dataclass(frozen=True)
class Opened:
    """A session's token, shown once."""

    token: str
    expires_at: datetime
    operator: Operator


@dataclass(frozen=True)
class AuditRecord:
    """One mutation by an operator."""

    id: str
    operator_id: str | None
    login: str
    action: str
    target: str
    details: Mapping[str, Any]
    request_id: str
    at: datetime
