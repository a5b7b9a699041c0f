"""The command as people and scripts meet it: a process with arguments, two streams and an exit code."""

import asyncio
import io
import json
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from rich.console import Console
from typer.testing import CliRunner

from client.calls.model import Game, Turn
from client.command import tables
from client.command.main import build, flowing, main
from client.sdk import Galaxy
from client.tests.gateway import Gateway, Signer

GAME = "01920000-0000-7000-8000-00000000aaaa"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture
def environment(gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the command at the test gateway and at a home folder of its own."""
    monkeypatch.setenv("GALAXY_HOME", str(tmp_path))
    monkeypatch.setenv("GALAXY_GATEWAY", gateway.url)
    monkeypatch.setenv("GALAXY_EDGE", gateway.url)
    monkeypatch.setenv("GALAXY_PROFILE", "alice")
    monkeypatch.delenv("GALAXY_GAME", raising=False)


@pytest.fixture
def run(environment: None, monkeypatch: pytest.MonkeyPatch):
    """Run `galaxy` in a thread of this process, with streams of its own: a process each would take seconds."""

    async def call(*arguments: str, given: str = "") -> Ran:
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr("sys.stdin", io.StringIO(given))

        def blocking() -> int:
            with redirect_stdout(out), redirect_stderr(err):
                try:
                    main(arguments)
                except SystemExit as ended:
                    return int(ended.code or 0)
            return 0

        async with asyncio.timeout(30):
            code = await asyncio.to_thread(blocking)
        return Ran(code, out.getvalue(), err.getvalue())

    return call


@pytest.fixture
def run_process(environment: None):
    """Run `galaxy` as a process of its own, as a shell does."""

    async def call(*arguments: str, given: str = "") -> Ran:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", "from client.command import main; main()"),
            *arguments,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            out, err = await process.communicate(given.encode())
        return Ran(process.returncode or 0, out.decode(), err.decode())

    return call


@pytest.fixture
def signed_in(galaxy: Galaxy) -> None:
    """Leave a signed-in profile `alice` in the home folder."""


def game(**fields: Any) -> dict[str, Any]:
    return {
        "game_id": GAME,
        "name": "Sol",
        "visibility": "public",
        "state": "running",
        "owner": {"user_id": "u1", "display_name": "Alice"},
        "min_players": 2,
        "max_players": 8,
        "schedule": {"kind": "rolling", "period_seconds": 86400},
        "early_turn": True,
        "current_turn": 4,
        "next_turn_at": None,
        "runtime": {"status": "running", "detail": ""},
        "players": [
            {
                "user_id": "u1",
                "display_name": "Alice",
                "race_name": "Terrans",
                "status": "active",
                "final": True,
            },
            {
                "user_id": None,
                "display_name": "",
                "race_name": "Robots",
                "status": "computer",
                "final": False,
            },
        ],
        "me": {"role": "owner", "race_name": "Terrans", "application": None, "final": True},
        "created_at": "2030-01-01T00:00:00.000Z",
        "started_at": None,
        "finished_at": None,
        **fields,
    }


def page(*items: Any) -> dict[str, Any]:
    return {"items": list(items), "page": 1, "page_size": 50, "total": len(items)}


def ok(body: Any):
    return lambda _: ("ok", body)


def refuse(code: str, message: str):
    error = {"code": code, "message": message, "details": {}, "request_id": "r"}
    return lambda _: (code, {"error": error})


async def test_sign_in_asks_for_the_code_and_keeps_the_device(run, run_process, gateway: Gateway) -> None:
    ran = await run_process("sign-in", "alice@example.org", given=f"{gateway.code}\n")
    assert ran.code == 0, ran.err
    assert "Welcome to Galaxy" in ran.out
    gateway.handlers["lobby.game.list"] = ok(page(game()))
    assert "Sol" in (await run("games")).out


async def test_a_wrong_code_is_refused_in_one_sentence(run) -> None:
    ran = await run("sign-in", "alice@example.org", "--code", "000000")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("\n") <= 2
    assert "This is not the code. (auth.code_wrong)" in ran.err


async def test_a_wrong_code_in_a_pipe_is_asked_for_once(run, gateway: Gateway) -> None:
    ran = await run("sign-in", "alice@example.org", given=f"000000\n{gateway.code}\n")
    assert ran.code == 1
    assert gateway.tries_left == 4


async def test_a_code_that_can_be_none_is_wrong_usage(run, gateway: Gateway) -> None:
    ran = await run("sign-in", "alice@example.org", "--code", "12x")
    assert ran.code == 2
    assert "six digits" in ran.err
    assert gateway.challenges == []
    assert (await run("sign-in", "alice@example.org", "--code", "123 456")).code == 0


async def test_not_signed_in_is_exit_code_3(run) -> None:
    ran = await run("games", "--profile", "nobody")
    assert ran.code == 3
    assert "`galaxy sign-in --profile nobody`" in ran.err, "typed as it stands it helps this profile"
    ran = await run("games")
    assert "`galaxy sign-in`" in ran.err, "the profile in use needs no option"


async def test_a_revoked_session_is_exit_code_3(run, galaxy: Galaxy, gateway: Gateway) -> None:
    gateway.revoked.add(galaxy.identity.device_session_id)
    ran = await run("games")
    assert ran.code == 3
    assert "signed out from elsewhere" in ran.err
    assert f"`galaxy sign-in {galaxy.identity.email}`" in ran.err
    assert "the operators: they may have blocked the account" in ran.err


async def test_the_way_back_into_another_profile_names_it(
    run, galaxy: Galaxy, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GALAXY_PROFILE")
    gateway.handlers["lobby.game.list"] = refuse("session.revoked", "the session is revoked")
    ran = await run("games", "--profile", "alice")
    assert ran.code == 3
    assert f"`galaxy sign-in {galaxy.identity.email} --profile alice`" in ran.err


async def test_nobody_there_is_exit_code_4(run) -> None:
    ran = await run("sign-in", "alice@example.org", "--code", "123456", "--gateway", "http://127.0.0.1:9")
    assert ran.code == 4
    assert "does not answer" in ran.err


async def test_a_changed_gateway_key_is_exit_code_5_until_it_is_trusted(
    run, signed_in, gateway: Gateway
) -> None:
    gateway.handlers["lobby.game.list"] = ok(page(game()))
    gateway.signer = Signer()
    gateway.published = [(gateway.signer, "active")]
    ran = await run("games")
    assert ran.code == 5
    assert "KEY HAS CHANGED" in ran.err
    assert ran.err.count("SHA256:") == 2
    looked = await run("trust", given="n\n")
    assert (looked.code, looked.out.count("SHA256:")) == (1, 2), "the old one stands beside the new one"
    trusted = await run("trust", "--yes")
    assert trusted.code == 0, trusted.err
    assert (await run("games")).code == 0


async def test_a_forged_answer_is_exit_code_5(run, signed_in, gateway: Gateway) -> None:
    gateway.handlers["lobby.game.list"] = ok(page(game()))

    def forge(response: Any) -> None:
        response.result_code = "lobby.game_full"

    gateway.tamper = forge
    assert (await run("games")).code == 5


async def test_wrong_usage_is_exit_code_2(run) -> None:
    assert (await run("no-such-command")).code == 2
    assert (await run("create", "Sol", "--race", "T", "--every", "soon")).code == 2
    assert (await run("games", "--profile", "../x")).code == 2


async def test_a_refusal_shows_sentence_and_code(run, signed_in, gateway: Gateway) -> None:
    gateway.handlers["lobby.game.list"] = ok(page(game(state="enrollment_open")))
    gateway.handlers["lobby.application.submit"] = refuse("lobby.game_full", "the game is full")
    ran = await run("join", "Sol", "--race", "Vegans")
    assert ran.code == 1
    assert "The game is full. (lobby.game_full)" in ran.err


async def test_an_error_is_no_traceback(run_process) -> None:
    ran = await run_process("games")
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.count("\n") == 1


async def test_the_interpreter_is_not_taken_apart_under_the_transports_threads(environment: None) -> None:
    """A thread that wants the interpreter then ends the process by SIGABRT, whatever the command was to exit with."""
    code = "import atexit; atexit.register(print, 'taken apart'); from client.command import main; main()"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", code, "games"),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, out) == (3, b"")
    assert b"galaxy sign-in" in err, "what was said is written out all the same"


async def test_tables_have_no_colours_in_a_pipe_and_json_is_json(
    run, run_process, signed_in, gateway: Gateway
) -> None:
    gateway.handlers["lobby.game.list"] = ok(page(game()))
    table = await run_process("games")
    assert "\x1b[" not in table.out
    assert "Terrans (owner)" in table.out
    as_json = json.loads((await run("games", "--json")).out)
    assert as_json["items"][0]["game_id"] == GAME


async def test_a_game_is_found_by_name_and_by_the_end_of_its_id(run, signed_in, gateway: Gateway) -> None:
    gateway.handlers["lobby.game.list"] = ok(page(game()))
    for which in ("sol", "SOL", GAME[-6:]):
        ran = await run("game", which)
        assert ran.code == 0, ran.err
        assert "Robots" in ran.out
    assert "Robots" in (await run("game")).out, "the only game that is not over needs no name"
    unknown = await run("game", "Rigel")
    assert unknown.code == 1
    assert "no game called 'Rigel'" in unknown.err
    assert "choice.unclear" not in unknown.err
    assert "(choice.unclear)" in (await run("game", "Rigel", "--json")).err


def lists(*, mine: list[dict[str, Any]], others: list[dict[str, Any]] | None = None):
    def answer(payload: dict[str, Any]) -> tuple[str, Any]:
        items = mine if payload.get("mine") else [*mine, *(others or [])]
        # A platform may give fewer than are asked for.
        first = (payload.get("page", 1) - 1) * 100
        return "ok", {**page(*items[first : first + 100]), "page_size": 100, "total": len(items)}

    return answer


def numbered(number: int, **fields: Any) -> dict[str, Any]:
    return game(game_id=f"01920000-0000-7000-8000-{number:012d}", **fields)


async def test_a_given_up_game_does_not_hold_its_name(run, signed_in, gateway: Gateway) -> None:
    gateway.handlers["lobby.game.list"] = lists(
        mine=[numbered(1, state="cancelled"), numbered(2, state="running"), numbered(3, state="cancelled")]
    )
    assert json.loads((await run("game", "Sol", "--json")).out)["game_id"].endswith("2")
    gateway.handlers["lobby.game.list"] = lists(
        mine=[numbered(1, state="cancelled")], others=[numbered(4, state="enrollment_open")]
    )
    gateway.handlers["lobby.application.submit"] = ok({"application_id": "a", "game_id": GAME})
    assert (await run("join", "Sol", "--race", "Vegans")).code == 0
    assert gateway.seen[-1].payload["game_id"].endswith("4")


async def test_a_finished_game_is_read_by_its_name_and_a_new_one_joined_by_it(
    run, signed_in, gateway: Gateway
) -> None:
    gateway.handlers["lobby.game.list"] = lists(
        mine=[numbered(1, state="finished")], others=[numbered(2, state="enrollment_open")]
    )
    gateway.handlers["play.turn.list"] = ok(page())
    gateway.handlers["lobby.application.submit"] = ok({"application_id": "a", "game_id": GAME})
    await run("turns", "Sol")
    assert gateway.seen[-1].payload["game_id"].endswith("1")
    await run("join", "Sol", "--race", "Vegans")
    assert gateway.seen[-1].payload["game_id"].endswith("2")


async def test_games_of_one_name_are_listed_with_ids_that_choose(run, signed_in, gateway: Gateway) -> None:
    gateway.handlers["lobby.game.list"] = lists(
        mine=[numbered(71, state="draft"), numbered(72, state="running"), numbered(73, state="cancelled")]
    )
    unclear = await run("game", "sol")
    assert unclear.code == 1
    assert "00000071  Sol, draft, of Alice" in unclear.err
    assert "00000072  Sol, running, of Alice" in unclear.err
    assert "00000073" not in unclear.err
    assert (await run("game", "00000072")).code == 0


async def test_a_game_on_a_later_page_is_found(run, signed_in, gateway: Gateway) -> None:
    many = [numbered(number, name=f"Game {number}") for number in range(450)]
    gateway.handlers["lobby.game.list"] = lists(mine=[], others=many)
    assert "Game 449" in (await run("game", "Game 449")).out


PREFERENCES = {
    "email_off": ["lobby.invite.created"],
    "quiet_hours": {"from": "22:00", "to": "07:00"},
    "email_types": ["game.started", "game.turn.ready", "lobby.invite.created"],
}


async def test_mails_says_which_come_and_when_none_do(run, signed_in, gateway: Gateway) -> None:
    gateway.handlers["user.preferences.get"] = ok(PREFERENCES)
    ran = await run("mails")
    assert ran.code == 0, ran.err
    rows = dict(line.split() for line in ran.out.splitlines() if "." in line and len(line.split()) == 2)
    assert rows == {"game.started": "yes", "game.turn.ready": "yes", "lobby.invite.created": "no"}
    assert "22:00 to 07:00" in ran.out


@pytest.mark.parametrize(
    ("options", "email_off", "quiet_hours"),
    [
        (("--off", "game.started"), ["game.started", "lobby.invite.created"], PREFERENCES["quiet_hours"]),
        (("--on", "all"), [], PREFERENCES["quiet_hours"]),
        (("--off", "all", "--quiet", "never"), PREFERENCES["email_types"], None),
        (("--quiet", "23:30-06:15"), ["lobby.invite.created"], {"from": "23:30", "to": "06:15"}),
    ],
)
async def test_mails_changes_what_is_named_and_keeps_the_rest(
    run, signed_in, gateway: Gateway, options, email_off, quiet_hours
) -> None:
    gateway.handlers["user.preferences.get"] = ok(PREFERENCES)
    gateway.handlers["user.preferences.update"] = ok(PREFERENCES)
    ran = await run("mails", *options)
    assert ran.code == 0, ran.err
    sent = gateway.seen[-1].payload
    assert sent["email_off"] == email_off
    assert sent.get("quiet_hours") == quiet_hours


async def test_mails_of_an_unknown_type_or_hour_change_nothing(run, signed_in, gateway: Gateway) -> None:
    gateway.handlers["user.preferences.get"] = ok(PREFERENCES)
    unknown = await run("mails", "--off", "game.turn")
    assert (unknown.code, "game.turn" in unknown.err) == (1, True)
    assert (await run("mails", "--quiet", "late")).code == 2
    assert {seen.message_type for seen in gateway.seen} == {"user.preferences.get"}


async def test_create_sends_what_the_options_say(run, signed_in, gateway: Gateway) -> None:
    gateway.handlers["lobby.game.create"] = ok(game(state="draft", current_turn=None))
    gateway.handlers["lobby.game.open"] = ok(game(state="enrollment_open", current_turn=None))
    ran = await run("create", "Sol", "-r", "Terrans", "--every", "1h30m", "--private", "--open", "--no-early")
    assert ran.code == 0, ran.err
    sent = gateway.seen[0].payload
    assert sent["schedule"] == {"kind": "rolling", "period_seconds": 5400}
    assert (sent["visibility"], sent["early_turn"], sent["race_name"]) == ("invite", False, "Terrans")
    assert [seen.message_type for seen in gateway.seen] == ["lobby.game.create", "lobby.game.open"]


CHECK: dict[str, Any] = {
    "results": [
        {"line": 1, "status": "ok", "code": None, "message": None},
        {"line": 2, "status": "error", "code": "E_PLANET", "message": "There is no such planet."},
    ],
    "forecast": {
        "planets": [
            {"name": "Terra", "size": 1000.0, "population": 1000.0, "industry": 990.0, "production": "DRIVE"}
        ]
    },
    "accepted": 1,
    "rejected": 1,
}


async def test_orders_come_from_a_pipe_a_file_or_the_line(
    run, signed_in, gateway: Gateway, tmp_path: Path
) -> None:
    gateway.handlers["lobby.game.list"] = ok(page(game()))
    gateway.handlers["play.orders.put"] = ok(
        {"turn": 5, "final": False, "stored_at": "2030-01-01T00:00:00.000Z", "check": CHECK}
    )
    gateway.handlers["play.orders.finalize"] = ok({"turn": 5, "final": True})
    text = "P Terra DRIVE\nP Nowhere CAP\n"
    file = tmp_path / "orders.txt"
    file.write_text(text)
    for arguments, given in (
        (("orders",), text),
        (("orders", "--file", "-"), text),
        (("orders", "--file", str(file)), ""),
        (("orders", "--text", "P Terra DRIVE; P Nowhere CAP"), ""),
    ):
        ran = await run(*arguments, given=given)
        assert ran.code == 0, ran.err
        assert "rejected: There is no such planet. (E_PLANET)" in ran.out
        assert "990.0" in ran.out
        sent = gateway.seen[-1].payload
        assert sent["orders"]["text"].strip() == text.strip()
        assert sent["turn"] == 5
    await run("orders", "--final", given=text)
    assert gateway.seen[-1].message_type == "play.orders.finalize"


STORED: dict[str, Any] = {
    "turn": 5,
    "final": False,
    "orders": {"format": "text", "text": "P Terra DRIVE\nP Nowhere CAP\n"},
}


async def test_final_warns_of_orders_without_effect_and_a_script_goes_on(
    run, signed_in, gateway: Gateway
) -> None:
    gateway.handlers["lobby.game.list"] = ok(page(game()))
    gateway.handlers["play.orders.get"] = ok(STORED)
    gateway.handlers["play.orders.check"] = ok({"turn": 5, "check": CHECK})
    gateway.handlers["play.orders.put"] = ok({"turn": 5, "final": False, "check": CHECK})
    gateway.handlers["play.orders.finalize"] = ok({"turn": 5, "final": True})
    for arguments in (("final",), ("orders", "--final")):
        ran = await run(*arguments)
        assert ran.code == 0, ran.err
        assert "rejected: There is no such planet. (E_PLANET)" in ran.err
        assert "P Terra DRIVE" not in ran.err, "what is well needs no words"
        assert "Not every order is done as written: 1 accepted, 1 rejected" in ran.err
        assert "are final" in ran.out
        assert gateway.seen[-1].message_type == "play.orders.finalize"
    ran = await run("orders", "--final", given="P Terra DRIVE\nP Nowhere CAP\n")
    assert "1 accepted, 1 rejected" in ran.err
    as_json = json.loads((await run("final", "--json")).out)
    assert (as_json["final"], as_json["check"]["rejected"]) == (True, 1)


async def test_the_counts_of_verdicts_agree_and_ignored_orders_are_marked(
    run, signed_in, gateway: Gateway
) -> None:
    gateway.handlers["lobby.game.list"] = ok(page(game()))
    ignored = {"line": 3, "status": "warning", "code": "W_REPEATED", "message": "A later order replaces it."}
    # The engine counts as accepted whatever it did not reject.
    check = CHECK | {"results": [*CHECK["results"], ignored], "accepted": 2}
    gateway.handlers["play.orders.put"] = ok({"turn": 5, "final": False, "check": check})
    gateway.handlers["play.orders.finalize"] = ok({"turn": 5, "final": True})
    ran = await run("orders", "--final", given="P Terra DRIVE\nP Nowhere CAP\nP Terra CAP\n")
    assert "adjusted or ignored: A later order replaces it. (W_REPEATED)" in ran.out
    assert "1 accepted, 1 adjusted or ignored, 1 rejected" in ran.out
    assert "1 accepted, 1 adjusted or ignored, 1 rejected" in ran.err, "both counts are the same"


async def test_final_is_silent_when_all_is_well_and_says_when_there_are_no_orders(
    run, signed_in, gateway: Gateway
) -> None:
    gateway.handlers["lobby.game.list"] = ok(page(game()))
    gateway.handlers["play.orders.get"] = ok(STORED)
    gateway.handlers["play.orders.check"] = ok({"turn": 5, "check": CHECK | {"results": [], "rejected": 0}})
    gateway.handlers["play.orders.finalize"] = ok({"turn": 5, "final": True})
    assert (await run("final")).err == ""
    for code in ("play.engine_unavailable", "play.check_busy"):
        gateway.handlers["play.orders.check"] = refuse(code, "the engine cannot be asked just now")
        ran = await run("final")
        assert (ran.code, "go unchecked" in ran.err) == (0, True)
    gateway.handlers["play.orders.get"] = ok({"turn": 5, "final": False, "orders": None})
    ran = await run("final")
    assert (ran.code, "You gave no orders for turn 5" in ran.err) == (0, True)


async def test_stored_orders_are_checked_when_none_are_given(run, signed_in, gateway: Gateway) -> None:
    gateway.handlers["lobby.game.list"] = ok(page(game()))
    gateway.handlers["play.orders.get"] = ok(STORED)
    gateway.handlers["play.orders.check"] = ok({"turn": 5, "check": CHECK})
    ran = await run("orders", "--check")
    assert ran.code == 1
    assert gateway.seen[-1].payload["orders"] == STORED["orders"]
    gateway.handlers["play.orders.get"] = ok({"turn": 5, "orders": None})
    assert (await run("orders", "--check")).code == 0
    assert (await run("orders", "--check", "--final")).code == 2


async def test_verdicts_on_a_json_list_stand_beside_their_orders(run, signed_in, gateway: Gateway) -> None:
    gateway.handlers["lobby.game.list"] = ok(page(game()))
    gateway.handlers["play.orders.check"] = ok({"turn": 5, "check": CHECK})
    orders = [{"op": "war", "race": "Zeds"}, {"op": "produce", "planet": "Nowhere", "product": "CAP"}]
    ran = await run("orders", "--check", given=json.dumps(orders))
    (line,) = [line for line in ran.out.splitlines() if "E_PLANET" in line]
    assert "Nowhere" in line


async def test_a_json_order_list_is_sent_as_one(run, signed_in, gateway: Gateway) -> None:
    gateway.handlers["lobby.game.list"] = ok(page(game()))
    gateway.handlers["play.orders.put"] = ok({"turn": 5, "final": False, "check": None})
    ran = await run("orders", given='[{"op": "produce", "planet": "#1", "product": "CAP"}]')
    assert ran.code == 0, ran.err
    assert gateway.seen[-1].payload["orders"]["format"] == "json"
    assert "could not be asked" in ran.out
    assert (await run("orders", given="[{")).code == 2


async def test_a_check_with_a_wrong_order_is_exit_code_1_and_stores_nothing(
    run, signed_in, gateway: Gateway
) -> None:
    gateway.handlers["lobby.game.list"] = ok(page(game()))
    gateway.handlers["play.orders.check"] = ok({"turn": 5, "check": CHECK})
    ran = await run("orders", "--check", given="P Terra DRIVE\nP Nowhere CAP\n")
    assert ran.code == 1
    assert {seen.message_type for seen in gateway.seen} == {"lobby.game.list", "play.orders.check"}


async def test_orders_without_a_source_are_shown(run, signed_in, gateway: Gateway) -> None:
    gateway.handlers["lobby.game.list"] = ok(page(game()))
    stored = {
        "turn": 5,
        "final": True,
        "orders": {"format": "text", "text": "P Terra DRIVE\n"},
        "check": None,
    }
    gateway.handlers["play.orders.get"] = ok(stored)
    ran = await run("orders")
    assert ran.out == "P Terra DRIVE\n"


async def test_orders_are_edited_in_the_editor(
    run, signed_in, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.handlers["lobby.game.list"] = ok(page(game()))
    gateway.handlers["play.orders.get"] = ok(
        {"turn": 5, "orders": {"format": "text", "text": "P Terra DRIVE\n"}}
    )
    gateway.handlers["play.orders.put"] = ok({"turn": 5, "check": None})
    monkeypatch.setenv("VISUAL", "sed -i s/DRIVE/CAP/")
    ran = await run("orders", "--edit")
    assert ran.code == 0, ran.err
    assert gateway.seen[-1].payload["orders"]["text"] == "P Terra CAP\n"


async def test_a_report_that_is_not_there_hints_at_the_turns(run, signed_in, gateway: Gateway) -> None:
    gateway.handlers["lobby.game.list"] = ok(page(game()))
    gateway.handlers["play.report.get"] = refuse("play.report_not_found", "there is no such report")
    for command in ("report", "map"):
        ran = await run(command, "Sol", "--turn", "99")
        assert ran.code == 1
        assert "(play.report_not_found) Which turns there are: `galaxy turns Sol`." in ran.err


async def test_a_report_is_text_or_json(run, signed_in, gateway: Gateway) -> None:
    gateway.handlers["lobby.game.list"] = ok(page(game()))

    def report(payload: dict[str, Any]) -> tuple[str, Any]:
        body = "Turn 4\n" if payload["format"] == "text" else {"turn": 4}
        return "ok", {"game_id": GAME, "turn": 4, "format": payload["format"], "report": body}

    gateway.handlers["play.report.get"] = report
    assert (await run("report")).out == "Turn 4\n"

    def titled(payload: dict[str, Any]) -> tuple[str, Any]:
        return "ok", {
            "game_id": GAME,
            "turn": 4,
            "format": "text",
            "report": f"Galaxy {GAME}\nReport of Zeds\n",
        }

    gateway.handlers["play.report.get"] = titled
    assert (await run("report")).out == "Galaxy Sol\nReport of Zeds\n", "the id says nothing to a player"
    gateway.handlers["play.report.get"] = report
    assert json.loads((await run("report", "--json")).out) == {"turn": 4}


async def test_watch_prints_events_and_resumes_where_it_ended(run, galaxy: Galaxy, gateway: Gateway) -> None:
    user = galaxy.identity.user_id
    gateway.handlers["lobby.game.get"] = ok(game())
    changed = {"game_id": GAME, "state": "running", "turn": 5, "reason": "turn_generated"}
    watching = asyncio.create_task(run("watch", "--until", "notification.game.turn.ready"))
    await gateway.wait_for_stream()
    gateway.publish(
        gateway.event(
            user,
            "game.changed",
            changed,
            cursor="push:1:8",
        )
    )
    gateway.publish(
        gateway.event(
            user,
            "notification.game.turn.ready",
            {"game_id": GAME, "game_name": "Sol", "turn": 5},
            cursor="stream:2:7-0",
        )
    )
    ran = await watching
    assert ran.code == 0, ran.err
    assert ran.out.count("Sol: turn 5 is ready") == ran.out.count("turn 5") == 1, "each turn is told once"
    assert "gateway." not in ran.out
    assert "changed" not in ran.out
    again = asyncio.create_task(run("watch", "--resume", "--count", "1", "--json"))
    await gateway.wait_for_stream()
    gateway.publish(gateway.event(user, "account.changed", {"reason": "renamed"}, cursor="push:1:9"))
    lines = [json.loads(line) for line in (await again).out.splitlines()]
    assert [line["event_type"] for line in lines] == ["gateway.server_time", "account.changed"]
    assert gateway.subscriptions[-1] == [
        {"lane": "push", "cursor": "push:1:8"},
        {"lane": "stream", "cursor": "stream:2:7-0"},
    ]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"reason": "state_changed", "state": "start_failed", "turn": None}, "now start failed"),
        ({"reason": "final_changed", "state": "running", "turn": 3}, "final marks have changed"),
        ({"reason": "final_changed", "state": "running", "turn": 4}, "final: you; still open: Zeds"),
        ({"reason": "something_new", "state": "running", "turn": None}, "something new"),
    ],
)
async def test_watch_says_what_changed_and_nothing_that_is_not_known(
    run, galaxy: Galaxy, gateway: Gateway, fields: dict[str, Any], said: str
) -> None:
    zeds = {"user_id": "u2", "race_name": "Zeds", "status": "active", "final": False}
    gateway.handlers["lobby.game.get"] = ok(game(players=[*game()["players"], zeds]))
    watching = asyncio.create_task(run("watch", "--count", "1"))
    await gateway.wait_for_stream()
    gateway.publish(
        gateway.event(galaxy.identity.user_id, "game.changed", {"game_id": GAME} | fields, cursor="push:1:8")
    )
    ran = await watching
    assert f"Sol: {said}" in ran.out
    assert "None" not in ran.out


async def test_watch_says_when_the_connection_is_lost_and_back_and_what_that_cost(
    run, galaxy: Galaxy, gateway: Gateway
) -> None:
    user = galaxy.identity.user_id
    watching = asyncio.create_task(run("watch", "--count", "1"))
    await gateway.wait_for_stream()
    gateway.failures = [ConnectError(Code.UNAVAILABLE, "backend is away")]
    gateway.publish(ConnectError(Code.UNAVAILABLE, "gateway is shutting down"))
    await gateway.wait_for_stream()
    gateway.publish(gateway.event(user, "gateway.resync_required", {"lane": "push"}))
    told = [line.split(" ", 1)[1] for line in (await watching).out.splitlines()]
    assert [words.split(",")[0].split(":")[0] for words in told] == [
        "connected",
        "connection lost",
        "connected again",
        "some of what happened was lost on the way",
    ]


async def test_sessions_are_named_revoked_and_ended_everywhere(run, galaxy: Galaxy, gateway: Gateway) -> None:
    rows = [
        {
            "device_session_id": f"01920000-0000-7000-8000-00000000000{n}",
            "device_name": name,
            "created_at": "2030-01-01T00:00:00.000Z",
            "last_used_at": "2030-01-01T00:00:00.000Z",
            "current": n == 1,
        }
        for n, name in ((1, "desk"), (2, "lost phone"))
    ]
    gateway.handlers["user.sessions.list"] = ok(page(*rows))
    gateway.handlers["user.sessions.rename"] = ok({})
    gateway.handlers["user.sessions.revoke"] = ok({})
    gateway.handlers["user.sessions.revoke_all"] = ok({"revoked": 2})
    assert "lost phone" in (await run("sessions")).out
    assert (await run("sessions", "rename", "lost phone", "found")).code == 0
    assert (await run("sessions", "revoke", "lost phone")).code == 0
    assert gateway.seen[-1].payload == {"device_session_id": rows[1]["device_session_id"]}
    assert (await run("sessions", "revoke", "no such")).code == 1
    renamed = json.loads((await run("sessions", "rename", "lost phone", "found", "--json")).out)
    assert renamed == {"device_session_id": rows[1]["device_session_id"], "device_name": "found"}
    assert json.loads((await run("sessions", "revoke", "lost phone", "--json")).out)["revoked"] is True
    assert json.loads((await run("sessions", "revoke-all", "--yes", "--json")).out) == {"revoked": 2}
    assert (await run("games")).code == 3, "the key here is forgotten"


def every_command() -> Sequence[tuple[str, ...]]:
    app = build()
    named = [(command.name or "",) for command in app.registered_commands]
    return [*named, ("sessions",), ("sessions", "rename"), ("sessions", "revoke"), ("sessions", "revoke-all")]


@pytest.mark.parametrize("words", every_command(), ids=" ".join)
def test_every_command_has_help_with_an_example(words: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(build(), [*words, "--help"])
    assert shown.exit_code == 0
    group = words == ("sessions",)
    # A map's figures are the report's.
    assert words == ("map",) or "--json" in shown.output
    assert group or "Example: galaxy" in shown.output


@pytest.mark.parametrize("name", ["[/]", "[bold", "[link=https://evil.test]Alice[/link]", "[red]Alice[/red]"])
async def test_what_others_are_called_is_shown_as_it_is(run, signed_in, gateway: Gateway, name: str) -> None:
    player = {"user_id": "u2", "display_name": name, "race_name": "Zeds", "status": "active", "final": False}
    shown = game(owner={"user_id": "u2", "display_name": name}, players=[player])
    gateway.handlers["lobby.game.list"] = ok(page(shown))
    ran = await run("game", "sol")
    assert ran.code == 0
    assert ran.out.count(name) == 2


@pytest.mark.parametrize("name", ["[/]", "[bold", "[link=https://evil.test]Sol[/link]", "[red]Sol[/red]"])
async def test_what_the_platform_says_is_shown_as_it_is(run, signed_in, gateway: Gateway, name: str) -> None:
    gateway.handlers["lobby.game.list"] = refuse("lobby.no", f"the game {name} is full")
    ran = await run("games")
    assert ran.code == 1
    assert f"The game {name} is full. (lobby.no)" in ran.err
    gateway.handlers["lobby.game.list"] = ok(page(game(name=name), game(name=name, game_id=GAME[:-1] + "b")))
    ran = await run("game", name)
    assert ran.err.count(f"{name}, running") == 2


async def test_start_waits_for_the_engine_and_says_when_it_does_not_come_up(
    run, signed_in, gateway: Gateway
) -> None:
    gateway.handlers["lobby.game.list"] = ok(page(game(state="enrollment_open", current_turn=None)))
    gateway.handlers["lobby.game.start"] = ok(game(state="starting", current_turn=None))
    looks = iter(["starting", "running"])
    gateway.handlers["lobby.game.get"] = lambda _: ("ok", game(state=next(looks), current_turn=0))
    ran = await run("start", "Sol")
    assert (ran.code, next(looks, None)) == (0, None)
    assert "galaxy report Sol" in ran.err
    failed = game(state="start_failed", current_turn=None, runtime={"status": "none", "detail": "no room"})
    gateway.handlers["lobby.game.get"] = ok(failed)
    ran = await run("start", "Sol")
    assert (ran.code, "no room" in ran.err) == (1, True)
    assert (await run("start", "Sol", "--no-wait")).code == 0


async def test_a_draft_is_opened_before_it_starts(run, signed_in, gateway: Gateway) -> None:
    gateway.handlers["lobby.game.list"] = ok(page(game(state="draft", name="Far Sol", current_turn=None)))
    ran = await run("start", "Far Sol")
    assert ran.code == 1
    assert "galaxy open 'Far Sol'" in ran.err
    assert (await run("orders", "Far Sol")).code == 1


async def test_what_does_not_fit_is_named(run, signed_in, gateway: Gateway) -> None:
    problem = {"field": "locale", "problem": "Input should be 'en' or 'ru'"}
    error = {"code": "invalid_request", "message": "the request does not fit its schema"}
    answer = {"error": {**error, "details": {"fields": [problem]}, "request_id": "r"}}
    gateway.handlers["user.account.update"] = lambda _: ("invalid_request", answer)
    ran = await run("account", "--locale", "xx")
    assert ran.code == 1
    assert "locale: Input should be 'en' or 'ru'" in ran.err


async def test_an_invitation_is_taken_by_the_games_name(run, signed_in, gateway: Gateway) -> None:
    ids = [f"01920000-0000-7000-8000-0000000000{n}" for n in ("aa", "bb")]
    rows = [
        {"invite_id": ids[0], "game_name": "Sol", "status": "declined"},
        {"invite_id": ids[1], "game_name": "Sol", "status": "open"},
    ]
    gateway.handlers["lobby.invite.list"] = ok(page(*rows))
    gateway.handlers["lobby.invite.accept"] = ok({})
    for which in ("sol", ids[1][-8:], ids[1]):
        ran = await run("accept", which, "--race", "Vegans")
        assert ran.code == 0, ran.err
        assert gateway.seen[-1].payload["invite_id"] == ids[1]
    assert (await run("accept", "Rigel", "--race", "Vegans")).code == 1


async def test_an_application_that_was_decided_is_not_meant_again(run, signed_in, gateway: Gateway) -> None:
    gateway.handlers["lobby.game.list"] = ok(page(game(state="enrollment_open")))
    rows = [
        {"application_id": f"01920000-0000-7000-8000-0000000000{n}", "race_name": "Vegans", "status": status}
        for n, status in (("aa", "rejected"), ("bb", "pending"))
    ]
    gateway.handlers["lobby.application.list"] = ok(page(*rows))
    gateway.handlers["lobby.application.approve"] = ok(rows[1])
    ran = await run("approve", "Vegans")
    assert ran.code == 0, ran.err
    assert gateway.seen[-1].payload["application_id"] == rows[1]["application_id"]


async def test_nothing_to_list_is_said_on_stderr_and_is_an_empty_list_as_json(
    run, signed_in, gateway: Gateway
) -> None:
    listed = {
        "games": "lobby.game.list",
        "invites": "lobby.invite.list",
    }
    for command, message_type in listed.items():
        gateway.handlers[message_type] = ok(page())
        ran = await run(command)
        assert (ran.code, ran.out) == (0, "")
        assert ran.err.startswith("No ")
        assert json.loads((await run(command, "--json")).out)["items"] == []


def test_paragraphs_of_help_flow_and_examples_stand_alone() -> None:
    assert flowing("One\ntwo\n\nthree\nfour\n\nExample: a\nExample: b") == (
        "One two\n\nthree four\n\nExample: a\nExample: b"
    )


@pytest.mark.parametrize("width", [80, 120])
async def test_the_list_of_games_fits_its_terminal(run, signed_in, gateway: Gateway, width: int) -> None:
    shown = io.StringIO()
    console = Console(width=width, file=shown)
    console.print(tables.games([Game.model_validate(game(name="Andromeda"))], width))
    lines = shown.getvalue().splitlines()
    assert len(lines) == 3, "no cell is broken"
    assert ("TURNS FALL" in lines[0]) == (width == 120)


@pytest.mark.parametrize("width", [80, 120])
def test_the_hash_of_a_turn_is_shown_where_there_is_room(width: int) -> None:
    shown = io.StringIO()
    row = {"turn": 3, "generated_at": "2030-01-01T00:00:00.000Z", "state_hash": "abcdef" * 8}
    Console(width=width, file=shown).print(tables.turns([Turn.model_validate(row)], width))
    assert ("STATE HASH" in shown.getvalue()) == ("abcdef" in shown.getvalue()) == (width == 120)
