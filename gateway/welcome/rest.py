"""One static page. It names no address of its own: whoever reads it has just typed the right one."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

_TITLE = "Galaxy"
_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{_TITLE}</title>
<style>
  :root {{ --ink: #1b2140; --soft: #5a628c; --sky: #f5f6fc; --card: #ffffff; --line: #dde1f3; --star: #b8860b; }}
  @media (prefers-color-scheme: dark) {{
    :root {{ --ink: #e8ebff; --soft: #9aa3d0; --sky: #0a0d1f; --card: #131833; --line: #262d55; --star: #ffd166; }}
  }}
  body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--sky); color: var(--ink);
         font: 17px/1.6 system-ui, sans-serif; }}
  main {{ box-sizing: border-box; width: min(34rem, calc(100vw - 2rem)); margin: 1rem; padding: 2rem;
         background: var(--card); border: 1px solid var(--line); border-radius: 16px; }}
  h1 {{ margin: 0; font-size: 1.9rem; letter-spacing: .02em; }}
  h1 span {{ color: var(--star); }}
  p {{ margin: .7rem 0; color: var(--soft); }}
  code {{ white-space: nowrap; }}
  pre {{ margin: 1rem 0; padding: .9rem 1rem; overflow-x: auto; border: 1px solid var(--line); border-radius: 10px;
        background: var(--sky); color: var(--ink); font-size: .9rem; }}
</style>
</head>
<body>
<main>
  <h1><span aria-hidden="true">✦</span> Galaxy</h1>
  <p>Turn-based wars between the stars are played here. Players come in with the <code>galaxy</code> command; a code in
  the mail is all it asks for.</p>
  <pre>galaxy sign-in you@example.org
galaxy games</pre>
  <p>The address of this page is what <code>--gateway</code> wants, where it is not this machine's.</p>
</main>
</body>
</html>
"""
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "public, max-age=300",
}


def welcome_router() -> APIRouter:
    """Serve `GET /`."""
    router = APIRouter()

    @router.get("/", include_in_schema=False)
    async def welcome() -> HTMLResponse:
        return HTMLResponse(_PAGE, headers=_HEADERS)

    return router
