"""Dependencies of the families: who calls, and for which player."""

from typing import Annotated

import structlog
from fastapi import Header, Request

from backend.api.model import Player
from backend.geo.address import client_address
from backend.geo.ports import RequestObserver
from backend.users.errors import AccountNotActive
from backend.users.model import AccountStatus
from backend.users.ports import Users
from kit.ids import is_uuid
from kit.rest import ApiError, ServiceAuth

GATEWAY = "gateway"


class GatewayOnly:
    """Lets in whoever holds the gateway's token; other services get 403."""

    def __init__(self, auth: ServiceAuth) -> None:
        self._auth = auth

    async def __call__(self, request: Request) -> str:
        """Return the caller's name. Raises ApiError 401 or 403."""
        caller = await self._auth(request)
        if caller != GATEWAY:
            raise ApiError(403, "forbidden", "only the gateway may speak for players")
        return caller


class CurrentPlayer:
    """Gives the player that the gateway vouches for, and has the request counted by country."""

    def __init__(self, gateway_only: GatewayOnly, users: Users, observer: RequestObserver) -> None:
        self._gateway_only = gateway_only
        self._users = users
        self._observer = observer

    async def __call__(
        self,
        request: Request,
        x_user_id: Annotated[str, Header(description="the player; set by the gateway")] = "",
        x_device_session_id: Annotated[str, Header(description="the player's device session")] = "",
    ) -> Player:
        """Return the player. Raises ApiError 401 or 403, AccountNotActive."""
        await self._gateway_only(request)
        account = self._users.find(x_user_id) if is_uuid(x_user_id) else None
        if account is None or not is_uuid(x_device_session_id):
            raise ApiError(401, "unauthenticated", "X-User-Id and X-Device-Session-Id must name a player")
        if account.status is not AccountStatus.ACTIVE:
            raise AccountNotActive
        structlog.contextvars.bind_contextvars(user_id=x_user_id)
        self._observer.saw(x_user_id, client_address(request, behind_gateway=True))
        return Player(x_user_id, x_device_session_id)
