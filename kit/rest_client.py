"""Calling another service over HTTP: bearer token, trace headers, bounded waits, the error envelope read back."""

import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aiohttp
import orjson
from pydantic import SecretStr
from yarl import URL

from kit.telemetry import outgoing_trace_headers

_ONE_PIECE_BYTES_MAX = 512 * 1024


class PeerUnavailable(Exception):
    """The other service cannot be reached, timed out, or answered 502, 503 or 504; try again later."""


@dataclass(frozen=True)
class Answer:
    """A complete answer of the other service."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Tell whether it is a success."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Read the body. Raises PeerUnavailable when it is no JSON: then something else answered in its place."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise PeerUnavailable(f"status {self.status} with a body that is no JSON") from error

    @property
    def error_code(self) -> str:
        """Return the code of the error envelope, or an empty string."""
        try:
            return str(orjson.loads(self.body)["error"]["code"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return ""


class RestClient:
    """One peer; connections are reused."""

    def __init__(
        self, session: aiohttp.ClientSession, base_url: str, token: SecretStr | None, timeout: timedelta
    ) -> None:
        self._session = session
        self._base = base_url.rstrip("/")
        self._token = token
        self._timeout = aiohttp.ClientTimeout(total=timeout.total_seconds())

    @staticmethod
    @asynccontextmanager
    async def open(
        base_url: str,
        token: SecretStr | None,
        timeout: timedelta = timedelta(seconds=5),
        *,
        connections: int = 64,
    ) -> AsyncIterator["RestClient"]:
        """Open a client for the length of the context; nothing is connected yet."""
        connector = aiohttp.TCPConnector(limit=connections, ttl_dns_cache=60)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
            yield RestClient(session, base_url, token, timeout)

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        body: bytes | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: timedelta | None = None,
    ) -> Answer:
        """Send one request and read the whole answer, whatever its status below 500 or a plain 500 is.

        `path` must be percent-encoded already. Raises PeerUnavailable.
        """
        sent = {**outgoing_trace_headers(), **(headers or {})}
        if self._token is not None:
            sent["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        if json is not None:
            body = orjson.dumps(json)
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        limit = aiohttp.ClientTimeout(total=timeout.total_seconds()) if timeout else self._timeout
        try:
            async with self._session.request(
                method,
                URL(self._base + path, encoded=True),
                data=_payload(body),
                params=query,
                headers=sent,
                timeout=limit,
                allow_redirects=False,
            ) as response:
                answer = Answer(response.status, await response.read(), dict(response.headers))
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise PeerUnavailable(f"{method} {path}: {type(error).__name__}: {error}") from error
        if answer.status in {502, 503, 504}:
            raise PeerUnavailable(f"{method} {path}: status {answer.status}")
        return answer


def _payload(body: bytes | None) -> bytes | io.BytesIO | None:
    """Return what aiohttp sends in pieces: in one piece a large body would hold the event loop."""
    return io.BytesIO(body) if body is not None and len(body) > _ONE_PIECE_BYTES_MAX else body
