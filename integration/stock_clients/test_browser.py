"""connect-web in a real browser on the one port of a real stack: CORS, WebCrypto, streaming fetch and all."""

import base64
import secrets
from pathlib import Path

import pytest

from deploy.embedded.stack import Stack
from integration.players import signed_in
from integration.stock_clients.browser import page_of, run_in_browser
from integration.stock_clients.runner import installed_package

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("installed_chromium")]


async def test_a_page_hears_of_what_its_own_command_did(own_stack: Stack, tmp_path: Path) -> None:
    async with page_of(installed_package()) as origin:
        own_stack.set_variable("GATEWAY_CORS_ORIGINS", origin)
        own_stack.stop("gateway")
        own_stack.start("gateway")
        async with signed_in(own_stack, tmp_path, "browser") as player:
            for transport in ("web", "web-grpc-web"):
                name = f"Page {secrets.token_hex(3)}"
                lines = await run_in_browser(
                    origin,
                    {
                        "transport": transport,
                        "edge": own_stack.url("gateway.edge"),
                        "gateway": own_stack.url("gateway.public"),
                        "session": player.session_id,
                        "user": player.user_id,
                        "key": base64.b64encode(
                            player.galaxy.identity.private_key.private_bytes_raw()
                        ).decode(),
                        "command": "user.account.update",
                        "payload": {"display_name": name},
                        "idempotencyKey": secrets.token_urlsafe(16),
                        "events": 2,
                        "resumeAfter": [],
                        "timeoutMs": 15_000,
                    },
                )
                kinds = [line["kind"] for line in lines]
                assert kinds == ["event", "response", "event", "done"], lines
                assert lines[1]["payload"]["display_name"] == name
                assert [lines[0]["eventType"], lines[2]["eventType"]] == [
                    "gateway.server_time",
                    "account.changed",
                ]
