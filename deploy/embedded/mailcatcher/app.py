"""The mail catcher put together: mailbox, SMTP, API and page in one process."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from deploy.embedded.mailcatcher.api import Api
from deploy.embedded.mailcatcher.page import Page
from deploy.embedded.mailcatcher.smtp import smtp_protocol
from deploy.embedded.mailcatcher.storage import Mailbox

# Sign-in codes land here: a site that points its own name at 127.0.0.1 must not read them.
_OWN_NAMES = ["127.0.0.1", "localhost", "mailcatcher"]


def build(mailbox: Mailbox) -> Starlette:
    """Return the web application over a mailbox."""
    return Starlette(
        routes=[
            *Page(mailbox).routes(),
            *Api(mailbox).routes(),
            Route("/readyz", _alive),
            Route("/livez", _alive),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=_OWN_NAMES)],
        exception_handlers={HTTPException: _refusal},
    )


async def serve(mailbox: Mailbox, *, http_addr: str, smtp_addr: str, ready_file: Path | None) -> None:
    """Listen on both addresses until SIGINT or SIGTERM; the ready file names what was bound."""
    loop = asyncio.get_running_loop()
    web_socket, mail_socket = _bind(http_addr), _bind(smtp_addr)
    server = _Server(uvicorn.Config(build(mailbox), log_level="warning", access_log=False, lifespan="off"))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.end)
    smtp = await loop.create_server(lambda: smtp_protocol(mailbox), sock=mail_socket)
    try:
        if ready_file is not None:
            _tell(ready_file, {"http": _name(web_socket), "smtp": _name(mail_socket)})
        await server.serve(sockets=[web_socket])
    finally:
        if ready_file is not None:
            _retract(ready_file)
        smtp.close()


class _Server(uvicorn.Server):
    """uvicorn, but the signals are ours: it would raise them again after it has ended."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    def end(self) -> None:
        self.should_exit = True


async def _alive(_request: Request) -> Response:
    return PlainTextResponse("ok")


async def _refusal(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"Error": error.detail}, status_code=error.status_code)


def _bind(addr: str) -> socket.socket:
    host, _, port = addr.rpartition(":")
    return socket.create_server((host, int(port)), backlog=128)


def _name(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"{host}:{port}"


def _retract(ready_file: Path) -> None:
    ready_file.unlink(missing_ok=True)


def _tell(ready_file: Path, addresses: dict[str, str]) -> None:
    draft = ready_file.with_name(ready_file.name + ".part")
    draft.write_text(json.dumps({"pid": os.getpid(), **addresses}))
    draft.replace(ready_file)
