"""The page: a list of caught mail, a mail, and its HTML in a frame that may run nothing and fetch nothing."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from deploy.embedded.mailcatcher.model import attachments, bodies, parse_message, parse_search
from deploy.embedded.mailcatcher.storage import Mailbox

_HERE = Path(__file__).parent
_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# The mail itself: its own styles and inline pictures, no scripts, no network, an origin of its own. Links open a new tab.
_MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)


class Page:
    """Answers under /."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def routes(self) -> list[Route]:
        """List the pages."""
        return [
            Route("/", self._list),
            Route("/message/{id}", self._message),
            Route("/message/{id}/html", self._html),
            Route("/page.css", self._style),
            Route("/page.js", self._script),
            Route("/star.svg", self._icon),
        ]

    async def _list(self, request: Request) -> Response:
        query = request.query_params.get("query", "")
        return self._render(
            "list.html",
            messages=self._mailbox.list(parse_search(query)),
            total=len(self._mailbox),
            query=query,
        )

    async def _message(self, request: Request) -> Response:
        summary = self._mailbox.find(request.path_params["id"])
        if summary is None:
            return self._render("gone.html", status=404)
        raw = self._mailbox.raw(summary)
        message = parse_message(raw)
        text, html = bodies(message)
        self._mailbox.mark_read(summary)
        return self._render(
            "message.html",
            message=summary,
            text=text,
            html=html,
            raw=raw.decode("utf-8", "replace"),
            attachments=attachments(message),
        )

    async def _html(self, request: Request) -> Response:
        summary = self._mailbox.find(request.path_params["id"])
        if summary is None:
            raise HTTPException(404, "message not found")
        _, html = bodies(parse_message(self._mailbox.raw(summary)))
        return HTMLResponse(
            '<base target="_blank">' + html,
            headers={"Content-Security-Policy": _MAIL_POLICY, "Referrer-Policy": "no-referrer"},
        )

    async def _style(self, _request: Request) -> Response:
        return Response((_HERE / "templates" / "page.css").read_text(), media_type="text/css")

    async def _script(self, _request: Request) -> Response:
        return Response((_HERE / "templates" / "page.js").read_text(), media_type="text/javascript")

    async def _icon(self, _request: Request) -> Response:
        return Response((_HERE / "templates" / "star.svg").read_text(), media_type="image/svg+xml")

    def _render(self, template: str, *, status: int = 200, **values: object) -> Response:
        return HTMLResponse(
            self._templates.get_template(template).render(values),
            status_code=status,
            headers={
                "Content-Security-Policy": _PAGE_POLICY,
                "Referrer-Policy": "no-referrer",
                "X-Content-Type-Options": "nosniff",
                "Cache-Control": "no-store",
            },
        )
