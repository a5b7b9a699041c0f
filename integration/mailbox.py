"""What landed in the mail catcher of a stack."""

import re
from dataclasses import dataclass
from typing import Any

import aiohttp

from kit.testing import eventually

_CODE = re.compile(r"\b(\d{6})\b")


@dataclass(frozen=True)
class Mail:
    """One delivered mail."""

    id: str
    message_id: str
    to: str
    subject: str


class Mailbox:
    """All mail of one stack."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def mails(self, to: str | None = None) -> list[Mail]:
        """Return what has arrived, oldest first, for one address or for all."""
        path = "/api/v1/messages" if to is None else "/api/v1/search"
        query = {"limit": "500"} | ({"query": f'to:"{to}"'} if to else {})
        rows = (await self._get(path, query))["messages"]
        return [
            Mail(row["ID"], row["MessageID"], row["To"][0]["Address"], row["Subject"])
            for row in reversed(rows)
        ]

    async def text_of(self, mail: Mail) -> str:
        """Return the text part."""
        return str((await self._get(f"/api/v1/message/{mail.id}", {}))["Text"])

    async def wait_for(self, to: str, containing: str, *, beyond: int = 0, timeout: float = 30) -> Mail:
        """Wait for a mail whose subject or text has `containing`, the one after `beyond` such mails."""
        found: list[Mail] = []

        async def arrived() -> bool:
            found[:] = [
                mail
                for mail in await self.mails(to)
                if containing in mail.subject or containing in await self.text_of(mail)
            ]
            return len(found) > beyond

        await eventually(arrived, timeout)
        return found[beyond]

    async def code_for(self, to: str, *, beyond: int = 0) -> str:
        """Wait for the sign-in code sent to an address, the one after `beyond` earlier codes."""
        codes: list[str] = []

        async def arrived() -> bool:
            codes[:] = [
                found[1]
                for mail in await self.mails(to)
                if (found := _CODE.search(await self.text_of(mail))) and "code" in mail.subject.lower()
            ]
            return len(codes) > beyond

        await eventually(arrived, 30)
        return codes[beyond]

    async def _get(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        async with aiohttp.ClientSession() as session, session.get(self._url + path, params=query) as answer:
            answer.raise_for_status()
            body: dict[str, Any] = await answer.json()
            return body
