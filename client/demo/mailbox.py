"""What the platform mailed to the demo's players, read from a mail catcher with Mailpit's API."""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from client.demo.errors import NothingThere, NotSeen

_CODE = re.compile(r"(?<!\d)\d{6}(?!\d)")
_LOOK_AGAIN_SECONDS = 0.25


@dataclass(frozen=True)
class Mail:
    """One caught mail."""

    id: str
    subject: str


class Mailbox:
    """The catcher's mail for the demo's players."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    async def check(self) -> None:
        """Raise NothingThere where no catcher answers."""
        await self._get("/api/v1/messages", limit="1")

    async def mails(self, address: str) -> list[Mail]:
        """Return the mails to an address, newest first."""
        page = await self._get("/api/v1/search", query=f'to:"{address}"', limit="200")
        return [Mail(row["ID"], row.get("Subject", "")) for row in page.get("messages", [])]

    async def code(self, address: str, timeout: float = 60) -> str:
        """Wait for the sign-in code sent to an address."""
        codes: list[str] = []

        async def found() -> bool:
            for mail in await self.mails(address):
                text = (await self._get(f"/api/v1/message/{mail.id}")).get("Text", "")
                codes.extend(_CODE.findall(f"{mail.subject}\n{text}"))
            return bool(codes)

        await wait_until(found, f"a mail with a sign-in code to {address}", timeout)
        return codes[0]

    async def _get(self, path: str, **query: str) -> dict[str, Any]:
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
                session.get(self._url + path, params=query) as answer,
            ):
                answer.raise_for_status()
                body: dict[str, Any] = await answer.json(content_type=None)
                return body
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise NothingThere(
                f"No mail catcher answers at {self._url}: is the platform up (make up)?"
            ) from error


async def wait_until(met: Callable[[], Any], what: str, timeout: float) -> None:
    """Ask again and again until an answer is true; raise NotSeen after `timeout` seconds."""
    give_up_at = time.monotonic() + timeout
    while not await met():
        if time.monotonic() > give_up_at:
            raise NotSeen(f"{what[:1].upper()}{what[1:]} did not come within {timeout:.0f} s.")
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
