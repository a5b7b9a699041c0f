"""FastAPI dependencies: which operator calls, and whether their role is enough."""

from collections.abc import Awaitable, Callable

import structlog
from fastapi import Request

from backend.admin.errors import RoleTooLow, SessionOver
from backend.admin.model import Operator, OperatorSession, Role
from backend.admin.service import Operators


class SignedIn:
    """Gives the operator's session behind a bearer token."""

    def __init__(self, operators: Operators) -> None:
        self._operators = operators

    async def __call__(self, request: Request) -> OperatorSession:
        """Return the session. Raises SessionOver."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise SessionOver
        session = await self._operators.authenticate(token.strip())
        structlog.contextvars.bind_contextvars(operator=session.operator.login)
        return session


class OperatorAccess:
    """Makes a dependency for each role."""

    def __init__(self, signed_in: SignedIn) -> None:
        self._signed_in = signed_in

    def __call__(self, role: Role) -> Callable[..., Awaitable[Operator]]:
        """Return a dependency that gives the operator. It raises SessionOver, and RoleTooLow below `role`."""

        async def require(request: Request) -> Operator:
            session = await self._signed_in(request)
            if not session.operator.role.includes(role):
                raise RoleTooLow(required=role.value, role=session.operator.role.value)
            return session.operator

        return require
