"""What only a person at a terminal meets: questions, second tries, Ctrl-C."""

import os
import sys
from pathlib import Path

import pytest

from client.keys import KeyStore
from client.sdk import Galaxy
from client.tests.gateway import Gateway
from client.tests.terminal import Terminal, at_terminal
from client.tests.test_command import CHECK, STORED, game, ok, page


@pytest.fixture
def galaxy_at_terminal(gateway: Gateway, tmp_path: Path):
    """Run `galaxy` at a terminal of its own, pointed at the test gateway."""

    def run(*arguments: str, given: bytes | None = None):
        command = (sys.executable, "-c", "from client.command import main; main()", *arguments)
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "GALAXY_HOME": str(tmp_path),
            "GALAXY_GATEWAY": gateway.url,
            "GALAXY_EDGE": gateway.url,
            "GALAXY_PROFILE": "alice",
            "COLUMNS": "120",
            "TERM": "xterm",
        }
        return at_terminal(command, environment, given)

    return run


async def test_a_wrong_code_is_asked_for_again_with_the_tries_left(
    galaxy_at_terminal, tmp_path: Path
) -> None:
    async with galaxy_at_terminal("sign-in", "alice@example.org") as terminal:
        await terminal.sees("Code: ")
        terminal.types("000000")
        await terminal.sees("This is not the code; 4 tries are left.")
        await terminal.sees("Code: ")
        terminal.types("12345")
        await terminal.sees("A code is six digits")
        await terminal.sees("Code: ")
        terminal.types("123 456")
        await terminal.sees("Welcome to Galaxy")
        assert await terminal.ends() == 0
    assert KeyStore(tmp_path, "alice").load() is not None


async def test_after_the_last_try_another_code_is_offered(galaxy_at_terminal, gateway: Gateway) -> None:
    async with galaxy_at_terminal("sign-in", "alice@example.org") as terminal:
        for left in ("4 tries are left", "3 tries are left", "2 tries are left", "one try is left"):
            await terminal.sees("Code: ")
            terminal.types("000000")
            await terminal.sees(left)
        await terminal.sees("Code: ")
        terminal.types("000000")
        await terminal.sees("Send another one?")
        terminal.types("y")
        await terminal.sees("Code: ")
        assert len(gateway.challenges) == 2
        terminal.types("new")
        await terminal.sees("Code: ")
        assert len(gateway.challenges) == 3
        terminal.types(gateway.code)
        assert await terminal.ends() == 0


async def test_no_other_code_wished_ends_it(galaxy_at_terminal, gateway: Gateway, tmp_path: Path) -> None:
    async with galaxy_at_terminal("sign-in", "alice@example.org") as terminal:
        await terminal.sees("Code: ")
        gateway.tries_left = 0
        terminal.types("000000")
        await terminal.sees("Send another one?")
        terminal.types("n")
        assert await terminal.ends() == 1
    assert KeyStore(tmp_path, "alice").load() is None


async def test_another_player_at_a_taken_profile_is_asked_first(
    galaxy_at_terminal, galaxy: Galaxy, gateway: Gateway, tmp_path: Path
) -> None:
    sent = len(gateway.challenges)
    async with galaxy_at_terminal("sign-in", "bob@example.org") as terminal:
        await terminal.sees("signed in as alice@example.org")
        await terminal.sees("Go on as bob@example.org?")
        terminal.types("n")
        assert await terminal.ends() == 1
    kept = KeyStore(tmp_path, "alice").load()
    assert kept is not None
    assert kept.email == "alice@example.org"
    assert len(gateway.challenges) == sent


async def test_ctrl_c_at_a_question_ends_it_at_once(galaxy_at_terminal) -> None:
    terminal: Terminal
    async with galaxy_at_terminal("sign-in", "alice@example.org") as terminal:
        await terminal.sees("Code: ")
        terminal.presses_ctrl_c()
        assert await terminal.ends() == 130
        assert "Traceback" not in terminal.screen


@pytest.mark.parametrize("given", [None, b"P Terra DRIVE\nP Nowhere CAP\n"], ids=["typed", "pipe"])
async def test_final_asks_when_orders_would_have_no_effect(
    galaxy_at_terminal, galaxy: Galaxy, gateway: Gateway, given: bytes | None
) -> None:
    gateway.handlers["lobby.game.list"] = ok(page(game()))
    gateway.handlers["play.orders.get"] = ok(STORED)
    gateway.handlers["play.orders.check"] = ok({"turn": 5, "check": CHECK})
    gateway.handlers["play.orders.put"] = ok({"turn": 5, "final": False, "check": CHECK})
    gateway.handlers["play.orders.finalize"] = ok({"turn": 5, "final": True})
    command = ("final", "Sol") if given is None else ("orders", "Sol", "--final")
    for answer, code in (("n", 1), ("y", 0)):
        async with galaxy_at_terminal(*command, given=given) as terminal:
            await terminal.sees("1 accepted, 1 rejected, see above")
            await terminal.sees("final all the same?")
            terminal.types(answer)
            assert await terminal.ends() == code
        marked = [seen.message_type for seen in gateway.seen].count("play.orders.finalize")
        assert marked == (answer == "y")
    async with galaxy_at_terminal(*command, "--yes", given=given) as terminal:
        assert await terminal.ends() == 0
        assert "all the same?" not in terminal.screen


async def test_ctrl_c_ends_a_watch_and_keeps_its_place(
    galaxy_at_terminal, galaxy: Galaxy, gateway: Gateway, tmp_path: Path
) -> None:
    async with galaxy_at_terminal("watch") as terminal:
        await terminal.sees("connected")
        user = galaxy.identity.user_id
        gateway.publish(gateway.event(user, "account.changed", {"reason": "one"}, cursor="push:1:7"))
        gateway.publish(gateway.event(user, "account.changed", {"reason": "two"}, cursor="push:1:8"))
        await terminal.sees("your account: two")
        terminal.presses_ctrl_c()
        assert await terminal.ends() == 0
        assert "Traceback" not in terminal.screen
    # An event that was only just shown may come again; it is never lost, and none before it comes twice.
    assert KeyStore(tmp_path, "alice").cursors()["push"] in {"push:1:7", "push:1:8"}
