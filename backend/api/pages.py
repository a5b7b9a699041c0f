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
_STYLE = """
:root { --ink: #1b2140; --soft: #4d5578; --sky: #f5f6fc; --card: #fff; --line: #dde1f3; --star: #b8860b; --act: #2b3f8c;
        --on: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8ebff; --soft: #b3bbe0; --sky: #0a0d1f; --card: #131833; --line: #262d55; --star: #ffd166; --act: #b9c6ff;
          --on: #10142b; }
}
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--sky); color: var(--ink);
       font: 17px/1.6 system-ui, sans-serif; }
main { box-sizing: border-box; width: min(32rem, calc(100vw - 2rem)); margin: 1rem; padding: 2rem; background: var(--card);
       border: 1px solid var(--line); border-radius: 16px; overflow-wrap: anywhere; }
.brand { margin: 0 0 1rem; color: var(--soft); font-size: .95rem; }
.brand span { color: var(--star); }
h1 { margin: 0; font-size: 1.4rem; line-height: 1.3; }
p { margin: .8rem 0 0; color: var(--soft); }
button { margin-top: 1.4rem; padding: .7rem 1.4rem; border: 0; border-radius: 10px; background: var(--act); color: var(--on);
         font: inherit; font-weight: 600; cursor: pointer; }
button:focus-visible { outline: 3px solid #f0a020; outline-offset: 2px; }
"""
_BRAND = '<p class="brand"><span aria-hidden="true">✦</span> Galaxy</p>'


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
        '<meta name="color-scheme" content="light dark">'
        f'<meta name="robots" content="noindex"><title>{html.escape(title)}</title><style>{_STYLE}</style></head>'
        f"<body><main>{_BRAND}<h1>{html.escape(title)}</h1><p>{html.escape(text)}</p>{form}</main></body></html>"
    )
    return HTMLResponse(body, status_code=status, headers=_HEADERS)
