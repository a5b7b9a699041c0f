"""A backend that answers two calls at next to no cost, so that the figures are the gateway's own."""

import asyncio
import base64
from datetime import UTC, datetime
from typing import cast

import orjson

from kit.clock import rfc3339
from kit.listener import address_of, bind


class _Answers(asyncio.Protocol):
    """HTTP/1.1, requests without bodies alone."""

    def __init__(self, session: bytes) -> None:
        self._session = _response(session)
        self._command = _response(b'{"user_id":"u","display_name":"d"}')
        self._waiting = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        *heads, self._waiting = (self._waiting + data).split(b"\r\n\r\n")
        assert self._transport is not None
        for head in heads:
            self._transport.write(self._session if b"/internal/sessions/" in head else self._command)


def _response(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def serve_backend(device_session_id: str, public_key: bytes) -> None:
    """Serve for ever; the address is the first line of stdout."""
    session = {
        "device_session_id": device_session_id,
        "user_id": "u",
        "status": "active",
        "client_public_key": base64.b64encode(public_key).decode(),
        "created_at": rfc3339(datetime(2100, 1, 1, tzinfo=UTC)),
        "revoked_at": None,
    }
    listening = bind("127.0.0.1:0")
    body = orjson.dumps(session)
    server = await asyncio.get_running_loop().create_server(lambda: _Answers(body), sock=listening)
    print(address_of(listening), flush=True)  # noqa: T201 - the parent reads it
    await server.serve_forever()
