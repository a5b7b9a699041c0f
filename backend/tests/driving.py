"""Driving a running backend as its neighbours do: the gateway, notification, an operator, the mailbox."""

import base64
import io
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import asyncpg
import orjson

from backend.settings import BackendSettings
from kit.sealing import SealRing
from kit.testing import eventually

GATEWAY_TOKEN = "gateway-token-for-tests-0123456789"
NOTIFICATION_TOKEN = "notification-token-for-tests-012345"
OPERATOR_PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Reply:
    """An answer, read."""

    status: int
    body: Any
    headers: Mapping[str, str]
    """Blind to the case of names."""

    @property
    def code(self) -> str:
        """Return the code of the error envelope."""
        return str(self.body["error"]["code"])


@dataclass(frozen=True)
class SignedInPlayer:
    """A player on a device."""

    user_id: str
    device_session_id: str
    email: str
    public_key: str

    @property
    def headers(self) -> dict[str, str]:
        """Return what the gateway sets for this player."""
        return {"X-User-Id": self.user_id, "X-Device-Session-Id": self.device_session_id}


class RunningBackend:
    """A running backend from outside."""

    def __init__(
        self, base_url: str, settings: BackendSettings, session: aiohttp.ClientSession, push_address: str = ""
    ) -> None:
        self.settings = settings
        self._session = session
        self.base_url = base_url
        self.push_address = push_address
        self.seals = SealRing.from_text(settings.seal_keys.get_secret_value())

    @staticmethod
    @asynccontextmanager
    async def open(
        base_url: str, settings: BackendSettings, push_address: str = ""
    ) -> AsyncIterator["RunningBackend"]:
        """Open a client for the length of the context."""
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            yield RunningBackend(base_url, settings, session, push_address)

    async def call(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        token: str | None = GATEWAY_TOKEN,
        headers: dict[str, str] | None = None,
        data: bytes | io.BytesIO | None = None,
    ) -> Reply:
        """Send one request; `token` None sends no Authorization."""
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        async with self._session.request(
            method, self.base_url + path, json=json, data=data, headers=sent
        ) as response:
            raw = await response.read()
            is_json = response.content_type == "application/json"
            return Reply(
                response.status,
                orjson.loads(raw) if is_json and raw else raw.decode(),
                response.headers,
            )

    async def as_player(
        self, player: SignedInPlayer, method: str, path: str, json: Any = None, **more: Any
    ) -> Reply:
        """Send one request of the family `user`, as the gateway does for a player."""
        headers = {**player.headers, **more.pop("headers", {})}
        return await self.call(method, f"/api/v1/user{path}", json, headers=headers, **more)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Any]:
        """Open a connection of the test's own to the backend's schema."""
        connection = await asyncpg.connect(self.settings.postgres.dsn.get_secret_value())
        try:
            yield connection
        finally:
            await connection.close()

    async def ask_code(self, email: str, **body: Any) -> str:
        """Ask for a code; return the challenge's id."""
        reply = await self.call("POST", "/api/v1/public/auth/send-email-code", {"email": email, **body})
        assert reply.status == 200, reply.body
        return str(reply.body["challenge_id"])

    async def read_code(self, redis: Any, challenge_id: str) -> str:
        """Read the code from the mail stream, as the mail service would."""
        stream = self.settings.redis.key("mail:delivery_commands")
        found: list[str] = []

        async def sent() -> bool:
            for _, raw in await redis.xrange(stream):
                fields = {key.decode(): value.decode() for key, value in raw.items()}
                if fields["idempotency_key"] == f"code:{challenge_id}":
                    opened = self.seals.open(fields["variables_json"], fields["delivery_id"])
                    found.append(orjson.loads(opened)["code"])
            return bool(found)

        await eventually(sent)
        return found[0]

    async def confirm(
        self, challenge_id: str, code: str, public_key: str | None = None, **changes: Any
    ) -> Reply:
        """Confirm a code from a device."""
        body = {
            "challenge_id": challenge_id,
            "code": code,
            "client_public_key": public_key or new_public_key(),
            "time_zone": "Europe/Berlin",
            "device_name": "test device",
            **changes,
        }
        return await self.call("POST", "/api/v1/public/auth/confirm-email-code", body)

    async def sign_in(self, redis: Any, email: str, **changes: Any) -> SignedInPlayer:
        """Sign a player in on a new device."""
        challenge_id = await self.ask_code(email)
        key = new_public_key()
        reply = await self.confirm(challenge_id, await self.read_code(redis, challenge_id), key, **changes)
        assert reply.status == 200, reply.body
        return SignedInPlayer(reply.body["user_id"], reply.body["device_session_id"], email, key)

    async def operator_token(self, login: str = "root", password: str = OPERATOR_PASSWORD) -> str:
        """Sign an operator in."""
        reply = await self.call(
            "POST", "/api/v1/admin/login", {"user": login, "password": password}, token=None
        )
        assert reply.status == 200, reply.body
        return str(reply.body["token"])


def new_public_key() -> str:
    """Return the base64 of 32 random bytes."""
    return base64.b64encode(secrets.token_bytes(32)).decode()
