"""What other rooms need to offer admin calls."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from backend.admin.model import Operator, Role
from kit.postgres import Connection


class RequireOperator(Protocol):
    """Makes FastAPI dependencies: `Annotated[Operator, Depends(require_operator(Role.OPERATOR))]`."""

    def __call__(self, role: Role) -> Callable[..., Awaitable[Operator]]:
        """Return a dependency that gives the operator, or answers 401, or 403 where the role is less than `role`."""


class Withdrawals(Protocol):
    """Takes back what a blocked person still waits for."""

    async def withdraw_all(self, connection: Connection, user_id: str) -> Callable[[], None]:
        """Withdraw it inside the caller's transaction; return what tells the people concerned, once it has committed."""


class AuditLog(Protocol):
    """Every mutation by an operator is a row, written with the mutation itself."""

    async def record(
        self,
        connection: Connection,
        operator: Operator,
        action: str,
        target: str,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Write who did what to which thing: `action` like `game.force_next_turn`, `target` the thing's id."""
