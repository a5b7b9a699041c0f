"""The process and its edge: what the conformance kit does not see."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine import settings, wire
from engine.conformance.client import Client
from engine.rest import STATUSES
from engine.tests.conftest import ROOT, TOKEN

PLAYERS = [{"player_id": "a", "race_name": "Ants"}, {"player_id": "b", "race_name": "Bees"}]
GAME = {"game_id": "edge", "seed": "s", "options": {"drop_idle": False}, "players": PLAYERS}
CROWD = {
    "game_id": "crowd",
    "seed": "s",
    "options": {"size": 2000},
    "players": [{"player_id": f"p{i}", "race_name": f"R{i}", "computer_level": 3} for i in range(100)],
}


def turn(orders: Sequence[Any] = (), request_id: str = "r", **more: Any) -> dict[str, Any]:
    return {"request_id": request_id, "orders": list(orders), **more}


def text_orders(text: str, player: str = "a") -> dict[str, Any]:
    return {"player_id": player, "orders": {"format": "text", "text": text}}


def test_idle_memory_stays_under_40_mib(engine):
    engine.client.call("GET", "/healthz")
    status = Path(f"/proc/{engine.process.pid}/status").read_text()
    resident_kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    assert resident_kib < 40 * 1024


def test_each_request_leaves_one_line_with_its_ids_and_never_the_token(engine):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"X-Request-Id": "req-1", "traceparent": trace}
    assert engine.client.call("GET", "/v1/game", headers=headers).headers["x-request-id"] == "req-1"
    engine.stop()
    lines = [event for event in engine.events() if event["event"] == "request"]
    assert [(each["request_id"], each["traceparent"], each["status"]) for each in lines] == [
        ("req-1", trace, 404)
    ]
    assert TOKEN not in engine.log.read_text()


def test_sigterm_and_sigint_exit_0(start_engine):
    for number in (signal.SIGTERM, signal.SIGINT):
        engine = start_engine()
        engine.process.send_signal(number)
        assert engine.process.wait(timeout=20) == 0
        assert [event["event"] for event in engine.events()][-2:] == ["engine_stopping", "engine_stopped"]


def test_a_reader_of_logs_that_went_away_does_not_take_the_engine_with_it(tmp_path):
    ready = tmp_path / "ready.json"
    environment = {
        **os.environ,
        "ENGINE_TOKEN": TOKEN,
        "ENGINE_LISTEN_ADDR": "127.0.0.1:0",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "engine", "--ready-file", str(ready)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
    try:
        wait_for(ready.exists)
        assert process.stdout is not None
        process.stdout.close()
        client = Client(json.loads(ready.read_text())["http"], TOKEN)
        assert [client.call("GET", "/v1/info").status for _ in range(3)] == [200, 200, 200]
        process.terminate()
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()


def test_probes_answer_while_a_turn_is_computed(engine):
    assert engine.client.call("PUT", "/v1/game", CROWD).status == 201
    answers = []
    worker = threading.Thread(
        target=lambda: answers.append(engine.client.call("POST", "/v1/turns/1", turn()))
    )
    worker.start()
    probed = 0
    while worker.is_alive():
        assert engine.client.call("GET", "/healthz").status == 200
        probed += 1
    worker.join()
    assert answers[0].status == 200
    assert probed >= 2


def test_a_turn_goes_ahead_of_the_checks_that_wait(engine):
    assert engine.client.call("PUT", "/v1/game", GAME).status == 201
    lines = "\n".join(f"D T{number} 1 0 0 0 1" for number in range(wire.LIMITS["orders_per_player"]))
    body = {"player_id": "a", "turn": 1, "orders": {"format": "text", "text": lines}}
    answered: list[str] = []

    def ask(path: str, wanted: Any) -> None:
        answered.append(f"{path} {engine.client.call('POST', path, wanted).status}")

    with ThreadPoolExecutor(12) as pool:
        checks = [pool.submit(ask, "/v1/orders:check", body) for _ in range(10)]
        wait_for(lambda: bool(answered))
        already = len(answered)
        pool.submit(ask, "/v1/turns/1", turn()).result()
    for each in checks:
        each.result()
    place = answered.index("/v1/turns/1 200")
    # One is being computed, and one may have been answered while the turn was on its way.
    assert place - already <= 3, answered
    assert answered[place + 1 :].count("/v1/orders:check 409") >= 5, (
        "those behind it hear that the turn has passed"
    )


def test_sigterm_in_the_middle_of_a_turn_ends_it_whole(start_engine):
    engine = start_engine(ENGINE_SHUTDOWN_TIMEOUT="20s")
    engine.client.call("PUT", "/v1/game", CROWD)
    answers = []
    worker = threading.Thread(
        target=lambda: answers.append(engine.client.call("POST", "/v1/turns/1", turn()))
    )
    worker.start()
    wait_for(lambda: any(event["event"] == "turn_started" for event in engine.events()))
    engine.process.terminate()
    assert engine.process.wait(timeout=30) == 0
    worker.join()
    assert answers[0].status == 200
    assert answers[0].json()["turn"] == 1


def test_an_engine_that_may_not_wait_abandons_the_turn_and_still_exits_0(start_engine):
    engine = start_engine(ENGINE_SHUTDOWN_TIMEOUT="0s")
    engine.client.call("PUT", "/v1/game", CROWD)

    def ask():
        try:
            return engine.client.call("POST", "/v1/turns/1", turn()).status
        except (OSError, http.client.HTTPException):
            return None

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        wait_for(lambda: any(event["event"] == "turn_started" for event in engine.events()))
        engine.process.terminate()
        assert engine.process.wait(timeout=20) == 0
        assert asked.result(timeout=20) in {None, 500}
    assert not any(event["event"] == "turn_kept" for event in engine.events())


def test_the_same_turn_asked_by_many_at_once_runs_once(engine):
    engine.client.call("PUT", "/v1/game", GAME)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: engine.client.call("POST", "/v1/turns/1", turn()), range(8)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert engine.client.call("GET", "/v1/game").json()["turn"] == 1


def test_orders_over_one_mebibyte_are_413_in_checks_and_turns(engine):
    engine.client.call("PUT", "/v1/game", GAME)
    fits, large = "P 1 CAP\n" * (wire.ORDERS_BYTES_MAX // 8), "P 1 CAP\n" * (wire.ORDERS_BYTES_MAX // 8 + 1)
    check = {"player_id": "a", "turn": 1, "orders": {"format": "text", "text": fits}}
    assert engine.client.call("POST", "/v1/orders:check", check).status == 200
    check["orders"] = {"format": "text", "text": large}
    answer = engine.client.call("POST", "/v1/orders:check", check)
    assert (answer.status, answer.code) == (413, "body_too_large")
    answer = engine.client.call("POST", "/v1/turns/1", turn([text_orders(large)]))
    assert (answer.status, answer.code) == (413, "body_too_large")
    assert answer.json()["error"]["details"]["field"] == "orders[0].orders.text"


def test_a_chunked_body_over_the_limit_is_413(engine):
    host, port = engine.address.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    chunks = (b" " * 65536 for _ in range(6))
    headers = {"Authorization": f"Bearer {TOKEN}", "Transfer-Encoding": "chunked"}
    connection.request("PUT", "/v1/game", body=chunks, headers=headers, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"request_id":"r","orders":[],"dry_run":NaN}', 400, "malformed_json"),
        (b'{"request_id":"r","orders":' + b"[" * 5000 + b"]" * 5000 + b"}", 400, "malformed_json"),
        (
            b'{"request_id":"r","orders":[{"player_id":"a","orders":{"format":"json","orders":'
            + b"[" * 400
            + b"]" * 400
            + b"}}]}",
            400,
            "malformed_json",
        ),
        (b'{"request_id":"\xff","orders":[]}', 400, "malformed_json"),
        (b'{"request_id":"r"}', 422, "invalid_field"),
        (b'{"request_id":"","orders":[]}', 422, "invalid_field"),
        (b"[]", 422, "invalid_field"),
        (b'{"request_id":"r","orders":[{"player_id":"a","orders":{"format":"xml"}}]}', 422, "invalid_field"),
        (b'{"request_id":"r","orders":[{"player_id":"a","orders":{"format":"text"}}]}', 422, "invalid_field"),
        (
            b'{"request_id":"r","orders":[{"player_id":"a","orders":{"format":"json","text":""}}]}',
            422,
            "invalid_field",
        ),
    ],
)
def test_hostile_turn_bodies_are_refused_and_change_nothing(engine, body, status, code):
    engine.client.call("PUT", "/v1/game", GAME)
    answer = engine.client.call("POST", "/v1/turns/1", body)
    assert (answer.status, answer.code) == (status, code)
    assert engine.client.call("GET", "/v1/game").json()["turn"] == 0


def test_huge_numbers_and_strange_letters_in_json_orders_get_verdicts(engine):
    engine.client.call("PUT", "/v1/game", GAME)
    raw = (
        b'{"player_id":"a","turn":1,"orders":{"format":"json","orders":['
        b'{"op":"design","name":"x","drive":1e308,"attacks":1e308,"weapons":1,"shields":1,"cargo":1},'
        b'{"op":"send","group":99999999999999999999999999,"planet":"1"},'
        b'{"op":"call","name":"\xd0\x91\xd0\xbe\xd1\x80\xd0\xb3"},'
        b'{"op":"call","name":"\xf0\x9f\x9a\x80"}]}}'
    )
    results = engine.client.call("POST", "/v1/orders:check", raw).json()["results"]
    assert [result["code"] for result in results] == ["E_SYNTAX", "E_SYNTAX", "OK", "E_NAME"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"players": [*PLAYERS, {"player_id": "c", "race_name": "ants"}]}, "players[2].race_name"),
        ({"players": [*PLAYERS, {"player_id": "a", "race_name": "Crabs"}]}, "players[2].player_id"),
        ({"players": [{"player_id": "a", "race_name": "!"}]}, "players[0].race_name"),
        ({"players": []}, "players"),
        ({"options": {"preset": "plus"}}, "options.preset"),
        ({"options": {"votes": True}}, "options.votes"),
        ({"options": {"size": 40, "race_spacing": 200}}, "options.size"),
        ({"options": {"teams": [["Ants", "Nobody"]]}}, "options.teams[0]"),
        ({"options": {"home_sizes": [1000, "big"]}}, "options.home_sizes[1]"),
        ({"options": {"homes": [[[1, 1, 1000]]]}}, "options.homes"),
    ],
)
def test_a_game_that_cannot_be_made_names_the_field(engine, changes, field):
    answer = engine.client.call("PUT", "/v1/game", {**GAME, **changes})
    assert (answer.status, answer.json()["error"]["details"].get("field")) == (422, field)
    assert engine.client.call("GET", "/v1/game").code == "no_game"


def test_a_finished_game_turns_no_more(engine):
    engine.client.call("PUT", "/v1/game", {**GAME, "options": {"max_turns": 1, "drop_idle": False}})
    answer = engine.client.call("POST", "/v1/turns/1", turn()).json()
    assert answer["finished"] is True
    assert engine.client.call("POST", "/v1/turns/2", turn(request_id="r2")).code == "game_finished"
    assert engine.client.call("POST", "/v1/turns/1", turn()).json() == answer


def test_quitting_leaves_the_other_race_as_winner(engine):
    engine.client.call("PUT", "/v1/game", GAME)
    answer = engine.client.call(
        "POST", "/v1/turns/1", turn([text_orders("Q Ants"), text_orders("", "b")])
    ).json()
    assert (answer["finished"], answer["winner"]) == (True, "b")
    assert [player["status"] for player in answer["players"]] == ["quit", "active"]
    assert engine.client.call("POST", "/v1/players/a:retire", {"mode": "idle"}).code == "player_out"
    text = engine.client.call("GET", "/v1/turns/1/reports/a?format=text").body.decode()
    assert "Bees has won" in text


def test_the_report_of_a_replaced_player_goes_to_the_new_one(engine):
    engine.client.call("PUT", "/v1/game", GAME)
    engine.client.call("POST", "/v1/players/a:replace", {"player_id": "heir"})
    assert engine.client.call("GET", "/v1/turns/0/reports/heir").json()["race"] == "Ants"
    assert engine.client.call("GET", "/v1/turns/0/reports/a").code == "no_report"


def test_unknown_paths_and_methods_have_the_error_shape(engine):
    for method, path, status in (
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/turns/x", 404),
        ("DELETE", "/v1/game", 405),
    ):
        answer = engine.client.call(method, path)
        assert (answer.status, set(answer.json()["error"])) == (
            status,
            {"code", "message", "details", "request_id"},
        )


def test_every_refusal_in_the_code_has_a_status():
    source = "".join(path.read_text() for path in (ROOT / "engine").glob("*.py"))
    used = {part.split('"')[0] for part in source.split('Refused("')[1:]}
    assert used <= set(STATUSES)


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({"ENGINE_TOKEN": ""}, "ENGINE_TOKEN"),
        ({"ENGINE_LISTEN_ADDR": "nowhere"}, "ENGINE_LISTEN_ADDR"),
        ({"ENGINE_LISTEN_ADDR": "127.0.0.1:99999"}, "ENGINE_LISTEN_ADDR"),
        ({"ENGINE_LOG_LEVEL": "loud"}, "ENGINE_LOG_LEVEL"),
        ({"ENGINE_SHUTDOWN_TIMEOUT": "soon"}, "ENGINE_SHUTDOWN_TIMEOUT"),
    ],
)
def test_a_bad_setting_ends_the_start_with_a_sentence_that_names_it(variables, text):
    environment = {**os.environ, "ENGINE_TOKEN": TOKEN, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-m", "engine"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_ends_the_start_with_a_sentence(engine):
    environment = {
        **os.environ,
        "ENGINE_TOKEN": TOKEN,
        "ENGINE_LISTEN_ADDR": engine.address,
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "engine"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert f"cannot listen on {engine.address}" in done.stderr


def test_settings_take_their_defaults():
    assert settings.from_environment({"ENGINE_TOKEN": "x"}) == settings.Settings(
        "x", "0.0.0.0", 8080, "info", 10.0
    )
    assert settings.from_environment({"ENGINE_TOKEN": "x", "ENGINE_LISTEN_ADDR": "[::1]:0"}).host == "::1"
    assert "secret" not in repr(settings.Settings("secret"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PR_SET_PDEATHSIG is Linux's")
def test_with_die_with_parent_the_engine_ends_when_its_parent_is_killed(tmp_path):
    ready, pid_file = tmp_path / "ready.json", tmp_path / "pid"
    script = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-m', 'engine', '--ready-file', {str(ready)!r}, '--die-with-parent'])\n"
        f"open({str(pid_file)!r}, 'w').write(str(child.pid))\n"
        "child.wait()\n"
    )
    environment = {
        **os.environ,
        "ENGINE_TOKEN": TOKEN,
        "ENGINE_LISTEN_ADDR": "127.0.0.1:0",
        "PYTHONPATH": str(ROOT),
    }
    parent = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    wait_for(ready.exists)
    child = int(pid_file.read_text())
    parent.kill()
    parent.wait()
    wait_for(lambda: not is_running(child))


def test_the_ready_file_names_the_bound_address(engine):
    assert json.loads(next(engine.log.parent.glob("ready-*.json")).read_text()) == {"http": engine.address}
    assert not list(engine.log.parent.glob(".ready*"))


def wait_for(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
