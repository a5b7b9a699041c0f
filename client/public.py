"""The public side of the gateway: what may be asked before anybody has signed in. Plain JSON over HTTP, unsigned."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from client.errors import CannotReach, GalaxyError, Refused, TooBusy, Untrusted
from galaxy.edge.v1.signing import key_id_of

PUBLIC_KEY_BYTES = 32
_LARGEST_ANSWER = 256 * 1024


@dataclass(frozen=True)
class PublishedKey:
    """A key under which a gateway signs, or did."""

    key_id: str
    public_key: bytes
    retired: bool


class PublicApi:
    """Calls under `/api/v1/public` of one gateway. Use as a context manager."""

    def __init__(self, gateway_url: str, *, timeout_seconds: float = 20.0) -> None:
        self.gateway_url = gateway_url.rstrip("/")
        parts = urlsplit(self.gateway_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Refused(
                "url.invalid", f"'{gateway_url}' is no address: it must begin with http:// or https://."
            )
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)

    @property
    def protected(self) -> bool:
        """Tell whether nobody on the way can change answers: TLS, or the way never leaves this machine."""
        parts = urlsplit(self.gateway_url)
        return parts.scheme == "https" or parts.hostname in {"127.0.0.1", "::1", "localhost"}

    async def keys(self) -> list[PublishedKey]:
        """Return the keys that the gateway publishes; an entry that is not what it says is refused."""
        answer = await self._call("GET", "/api/v1/public/keys")
        try:
            return [_published(entry) for entry in answer["keys"] if entry["algorithm"] == "Ed25519"]
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise Untrusted("The gateway publishes keys that cannot be read.") from error

    async def send_email_code(self, email: str, locale: str | None = None) -> dict[str, Any]:
        """Ask for a sign-in code; the answer is the same whoever the address belongs to."""
        return await self._call(
            "POST",
            "/api/v1/public/auth/send-email-code",
            {"email": email} | ({"locale": locale} if locale else {}),
        )

    async def confirm_email_code(
        self, challenge_id: str, code: str, public_key: bytes, time_zone: str, device_name: str
    ) -> dict[str, Any]:
        """Turn a code into a device session for the given public key."""
        return await self._call(
            "POST",
            "/api/v1/public/auth/confirm-email-code",
            {
                "challenge_id": challenge_id,
                "code": code,
                "client_public_key": base64.b64encode(public_key).decode(),
                "time_zone": time_zone,
                "device_name": device_name,
            },
        )

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout) as session,
                session.request(
                    method, self.gateway_url + path, json=body, allow_redirects=False
                ) as response,
            ):
                raw = await response.content.read(_LARGEST_ANSWER)
                return self._answer(response, _json(raw))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise CannotReach(f"The gateway at {self.gateway_url} does not answer.") from error

    def _answer(self, response: aiohttp.ClientResponse, body: Any) -> dict[str, Any]:
        if response.status == 200 and isinstance(body, dict):
            return body
        raise self._problem(response, body)

    def _problem(self, response: aiohttp.ClientResponse, body: Any) -> GalaxyError:
        error = body.get("error") if isinstance(body, dict) else None
        if not isinstance(error, dict) or not isinstance(error.get("code"), str):
            return CannotReach(
                f"{self.gateway_url} does not answer like a Galaxy gateway (HTTP {response.status})."
            )
        if response.status >= 500:
            return CannotReach(f"The platform is unwell: {error.get('message') or error['code']}.")
        retry_after = response.headers.get("Retry-After", "")
        if response.status == 429 and error["code"] == "rate_limited" and retry_after.isdigit():
            return TooBusy(float(retry_after))
        return Refused(
            error["code"],
            str(error.get("message") or error["code"]),
            details=error.get("details") if isinstance(error.get("details"), dict) else None,
            request_id=str(error.get("request_id") or ""),
        )


def _published(entry: dict[str, Any]) -> PublishedKey:
    text = entry["public_key"]
    raw = base64.b64decode(text, validate=True)
    # One key has one spelling and one id; anything else could be shown as a key that it is not.
    if (
        len(raw) != PUBLIC_KEY_BYTES
        or base64.b64encode(raw).decode() != text
        or key_id_of(raw) != entry["key_id"]
    ):
        raise ValueError("not what it says")
    return PublishedKey(entry["key_id"], raw, entry.get("status") == "retired")


def _json(raw: bytes) -> Any:

    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return None
