"""The API, in the shape of Mailpit's first version: the part of it that tests and people use."""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from deploy.embedded.folder import release
from deploy.embedded.mailcatcher.model import (
    Summary,
    addresses,
    attachments,
    bodies,
    header,
    parse_message,
    parse_search,
)
from deploy.embedded.mailcatcher.storage import Mailbox

_PAGE_SIZE = 50
_PAGE_SIZE_MAX = 500


class Api:
    """Answers under /api/v1."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    def routes(self) -> list[Route]:
        """List the calls."""
        return [
            Route("/api/v1/info", self._info),
            Route("/api/v1/messages", self._messages),
            Route("/api/v1/messages", self._delete, methods=["DELETE"]),
            Route("/api/v1/search", self._search),
            Route("/api/v1/search", self._delete_search, methods=["DELETE"]),
            Route("/api/v1/message/{id}", self._message),
            Route("/api/v1/message/{id}/headers", self._headers),
            Route("/api/v1/message/{id}/raw", self._raw),
        ]

    async def _info(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "Version": f"galaxy-mailcatcher {release()}",
                "LatestVersion": "",
                "Database": "",
                "DatabaseSize": self._mailbox.size,
                "Messages": len(self._mailbox),
                "Unread": self._mailbox.unread,
                "Tags": {},
            }
        )

    async def _messages(self, request: Request) -> Response:
        return self._page(request, self._mailbox.list())

    async def _search(self, request: Request) -> Response:
        return self._page(request, self._mailbox.list(parse_search(request.query_params.get("query", ""))))

    async def _delete(self, request: Request) -> Response:
        wanted: Any = []
        if await request.body():
            try:
                wanted = (await request.json()).get("IDs") or []
            except (ValueError, AttributeError):
                raise HTTPException(400, 'send {"IDs": […]}, or nothing to delete all') from None
        if wanted:
            self._mailbox.remove(str(identifier) for identifier in wanted)
        else:
            self._mailbox.clear()
        return PlainTextResponse("ok")

    async def _delete_search(self, request: Request) -> Response:
        found = self._mailbox.list(parse_search(request.query_params.get("query", "")))
        self._mailbox.remove(summary.id for summary in found)
        return PlainTextResponse("ok")

    async def _message(self, request: Request) -> Response:
        summary = self._found(request)
        message = parse_message(self._mailbox.raw(summary))
        text, html = bodies(message)
        self._mailbox.mark_read(summary)
        return JSONResponse(
            {
                "ID": summary.id,
                "MessageID": summary.message_id,
                "From": _address(summary.sender),
                "To": [_address(pair) for pair in summary.to],
                "Cc": [_address(pair) for pair in addresses(message, "Cc")],
                "Bcc": _blind(summary, addresses(message, "Cc")),
                "ReplyTo": [_address(pair) for pair in addresses(message, "Reply-To")],
                "ReturnPath": summary.return_path,
                "Subject": summary.subject,
                "ListUnsubscribe": {"Header": header(message, "List-Unsubscribe")},
                "Date": summary.created,
                "Tags": [],
                "Text": text,
                "HTML": html,
                "Size": summary.size,
                "Inline": [],
                "Attachments": attachments(message),
            }
        )

    async def _headers(self, request: Request) -> Response:
        message = parse_message(self._mailbox.raw(self._found(request)))
        found: dict[str, list[str]] = {}
        for name in message:
            found.setdefault(name, [str(value) for value in message.get_all(name, [])])
        return JSONResponse(found)

    async def _raw(self, request: Request) -> Response:
        return Response(self._mailbox.raw(self._found(request)), media_type="text/plain; charset=utf-8")

    def _found(self, request: Request) -> Summary:
        summary = self._mailbox.find(request.path_params["id"])
        if summary is None:
            raise HTTPException(404, "message not found")
        return summary

    def _page(self, request: Request, found: list[Summary]) -> Response:
        start = _number(request, "start", 0)
        limit = min(_number(request, "limit", _PAGE_SIZE), _PAGE_SIZE_MAX)
        shown = found[start : start + limit]
        return JSONResponse(
            {
                "total": len(self._mailbox),
                "unread": self._mailbox.unread,
                "count": len(shown),
                "messages_count": len(found),
                "messages_unread": sum(not summary.read for summary in found),
                "start": start,
                "tags": [],
                "messages": [_row(summary) for summary in shown],
            }
        )


def _row(summary: Summary) -> dict[str, Any]:
    return {
        "ID": summary.id,
        "MessageID": summary.message_id,
        "Read": summary.read,
        "From": _address(summary.sender),
        "To": [_address(pair) for pair in summary.to],
        "Cc": [],
        "Bcc": _blind(summary, ()),
        "ReplyTo": [],
        "Subject": summary.subject,
        "Created": summary.created,
        "Tags": [],
        "Size": summary.size,
        "Attachments": 0,
        "Snippet": summary.snippet,
        "Code": summary.code,
    }


def _address(pair: tuple[str, str]) -> dict[str, str]:
    return {"Name": pair[0], "Address": pair[1]}


def _blind(summary: Summary, copies: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    """Whom SMTP named and no header did."""
    named = {address.lower() for _, address in (*summary.to, *copies)}
    return [_address(("", address)) for address in summary.recipients if address.lower() not in named]


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isdecimal() else default
