"""The few pages that people reach from links in mails: one sentence, at most one button, nothing loaded from anywhere."""

import html
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse

LANGUAGES = ("en", "ru")
_LANGUAGES_READ_MAX = 20

OVER: dict[int | str, dict[str, Any]] = {
    410: {"description": "the link is not valid", "content": {"text/html": {"schema": {"type": "string"}}}}
}
"""For the `responses` of a page's routes."""
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
_STYLE = (
    "body{font:17px/1.5 system-ui,sans-serif;margin:12vh auto;max-width:32rem;padding:0 1.5rem;color:#1c2333;"
    "background:#f6f7fb}h1{font-size:1.4rem}button{font:inherit;padding:.7rem 1.4rem;border:0;border-radius:.5rem;"
    "background:#2b3f8c;color:#fff;cursor:pointer}button:focus-visible{outline:3px solid #f0a020;outline-offset:2px}"
    "@media (prefers-color-scheme:dark){body{color:#e6e9f5;background:#12162a}}"
)


def language_of(request: Request) -> str:
    """Return the language of ours that a browser's `Accept-Language` prefers; for pages that belong to nobody we know."""
    wanted: list[tuple[float, str]] = []
    for part in request.headers.get("accept-language", "").split(",")[:_LANGUAGES_READ_MAX]:
        name, _, weight = part.strip().partition(";q=")
        try:
            wanted.append((float(weight or 1), name.strip().lower().partition("-")[0]))
        except ValueError:  # what cannot be read is not wanted
            continue
    known = [(weight, name) for weight, name in wanted if name in LANGUAGES and weight > 0]
    return max(known, key=lambda each: each[0])[1] if known else LANGUAGES[0]


def page(locale: str, title: str, text: str, button: str | None = None, status: int = 200) -> HTMLResponse:
    """Write a page; its button posts to the page's own address, so that following a link changes nothing."""
    form = (
        f'<form method="post"><button type="submit">{html.escape(button)}</button></form>' if button else ""
    )
    body = (
        f'<!doctype html><html lang="{html.escape(locale)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta name="robots" content="noindex"><title>{html.escape(title)}</title><style>{_STYLE}</style></head>'
        f"<body><main><h1>{html.escape(title)}</h1><p>{html.escape(text)}</p>{form}</main></body></html>"
    )
    return HTMLResponse(body, status_code=status, headers=_HEADERS)
