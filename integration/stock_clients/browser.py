"""Runs the connect-web client in a headless Chromium: a page of our own origin, modules as installed, no bundler."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from playwright.async_api import async_playwright

_CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
# Quiet and offline: a browser that talks to nobody but this machine.
_CHROMIUM_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)
_PACKAGES = ("@bufbuild/protobuf", "@connectrpc/connect", "@connectrpc/connect-web")


def chromium() -> str | None:
    """Return the path of an installed Chromium, or None."""
    return next((found for name in _CHROMIUM_NAMES if (found := shutil.which(name))), None)


@asynccontextmanager
async def page_of(package: Path) -> AsyncIterator[str]:
    """Serve the installed JavaScript package with a page that can import it; yield the page's origin."""

    async def index(_: web.Request) -> web.Response:
        html = f"<!doctype html><meta charset=utf-8><script type=importmap>{json.dumps(import_map(package))}</script>"
        return web.Response(text=html, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", index)
    app.router.add_static("/package", package)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def run_in_browser(origin: str, options: dict[str, Any]) -> list[dict[str, Any]]:
    """Run the client of page.js on a page of `origin`; return the lines that it would print."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=list(_CHROMIUM_ARGUMENTS))
        try:
            page = await browser.new_page()
            await page.goto(origin)
            lines: list[dict[str, Any]] = await page.evaluate(
                "async (options) => (await import('/package/page.js')).run(options)", options
            )
            return lines
        finally:
            await browser.close()


def import_map(package: Path) -> dict[str, dict[str, str]]:
    """Return where a browser finds the packages' modules: their own `exports`, spelled out."""
    imports = {}
    for name in _PACKAGES:
        described = json.loads((package / "node_modules" / name / "package.json").read_text(encoding="utf-8"))
        for path, target in described["exports"].items():
            file = target["import"] if isinstance(target, dict) else target
            imports[name + path.removeprefix(".")] = f"/package/node_modules/{name}/{file.removeprefix('./')}"
    return {"imports": imports}
