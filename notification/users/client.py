"""The User Service: `GET /api/v1/internal/users/{id}` of the backend."""

import asyncio
from collections.abc import Iterable
from datetime import time
from typing import Any
from urllib.parse import quote

from kit.rest_client import PeerUnavailable, RestClient
from notification.users.model import QuietHours, User, UserStatus

_CONCURRENCY = 16


class UserServiceUnavailable(Exception):
    """The backend cannot be asked just now, or answers what no user looks like; the intent waits."""


class UserClient:
    """Asks the backend about users, several at once."""

    def __init__(self, client: RestClient) -> None:
        self._client = client
        self._slots = asyncio.Semaphore(_CONCURRENCY)

    async def find_many(self, user_ids: Iterable[str]) -> dict[str, User | None]:
        """Return each user, None for one that the backend does not know. Raises UserServiceUnavailable."""
        wanted = sorted(set(user_ids))
        found = await asyncio.gather(*(self._find(user_id) for user_id in wanted), return_exceptions=True)
        for answer in found:
            if isinstance(answer, BaseException):
                raise answer
        return {u: a for u, a in zip(wanted, found, strict=True) if not isinstance(a, BaseException)}

    async def _find(self, user_id: str) -> User | None:
        async with self._slots:
            try:
                answer = await self._client.call("GET", f"/api/v1/internal/users/{quote(user_id, safe='')}")
                if answer.status == 404 and answer.error_code == "user.not_found":
                    return None
                if not answer.ok:
                    # Refused tokens and internal errors are for operators to mend; no intent is lost over them.
                    raise UserServiceUnavailable(f"status {answer.status} {answer.error_code}".strip())
                return _user(answer.json())
            except PeerUnavailable as error:
                raise UserServiceUnavailable(str(error)) from error
            except (KeyError, TypeError, ValueError) as error:
                raise UserServiceUnavailable(f"an answer that is no user: {type(error).__name__}") from error


def _user(body: Any) -> User:
    return User(
        user_id=str(body["user_id"]),
        status=UserStatus(body["status"]),
        email=str(body["email"] or ""),
        display_name=str(body["display_name"] or ""),
        locale=str(body["locale"] or "en"),
        time_zone=str(body["time_zone"] or "UTC"),
        email_off=frozenset(body["email_off"]),
        unsubscribe_token=str(body["unsubscribe_token"] or ""),
        quiet_hours=_quiet_hours(body.get("quiet_hours")),
    )


def _quiet_hours(body: Any) -> QuietHours | None:
    if body is None:
        return None
    return QuietHours(time.fromisoformat(body["from"]), time.fromisoformat(body["to"]))
