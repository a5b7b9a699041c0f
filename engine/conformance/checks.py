"""The checks, in the order in which they run: each may rely on the state that those before it left."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.conformance.client import Answer, Client

CHECKS: list[tuple[str, "Check"]] = []
"""Fact and check, in order."""

GAME = {
    "game_id": "conformance",
    "seed": "conformance-seed",
    "players": [
        {"player_id": "player-a", "race_name": "Ants"},
        {"player_id": "player-b", "race_name": "Bees"},
        {"player_id": "player-c", "race_name": "Crabs", "computer_level": 1},
    ],
}
EMPTY = {"format": "text", "text": ""}
_STATUSES = {"active", "eliminated", "idle", "computer", "quit"}


class Violation(Exception):
    """The engine breaks the contract; the text says how."""


class Skipped(Exception):
    """The check needs something that was not given."""


@dataclass(slots=True)
class Bench:
    """The engine under test, an optional empty twin, and what checks keep for later ones."""

    engine: Client
    twin: Client | None = None


Check = Callable[[Bench], None]


def check(fact: str) -> Callable[[Check], Check]:
    """Register a check under the fact that it shows."""

    def register(function: Check) -> Check:
        CHECKS.append((fact, function))
        return function

    return register


def demand(condition: object, text: str) -> None:
    """Raise Violation unless the condition holds."""
    if not condition:
        raise Violation(text)


def expect(answer: Answer, status: int, code: str = "") -> Any:
    """Demand a status, and for errors a code; return the JSON body."""
    told = f"{answer.status} {answer.code or answer.body[:80]!r}"
    demand(answer.status == status, f"expected {status} {code}, got {told}")
    body = answer.json()
    if code:
        demand(answer.code == code, f"expected code {code}, got {told}")
    if status >= 400:
        demand(
            set(body["error"]) == {"code", "message", "details", "request_id"},
            "the error body has another shape",
        )
    return body


def turn_body(request_id: str, **changes: Any) -> dict[str, Any]:
    """Return the body of a turn in which both people filed empty orders."""
    orders = [
        {"player_id": "player-a", "orders": EMPTY, "final": True},
        {"player_id": "player-b", "orders": EMPTY},
    ]
    return {"request_id": request_id, "orders": orders, "dry_run": False, **changes}


# -- an empty engine


@check("probes answer without a token")
def _probes(bench: Bench) -> None:
    for path in ("/healthz", "/readyz"):
        demand(bench.engine.call("GET", path, token="").status == 200, f"{path} is not 200")


@check("every call of /v1 needs the token")
def _token(bench: Bench) -> None:
    calls = [
        *(("GET", "/v1/info"), ("GET", "/v1/game"), ("PUT", "/v1/game"), ("POST", "/v1/orders:check")),
        *(
            ("POST", "/v1/turns/1"),
            ("GET", "/v1/turns/1/reports/x"),
            ("GET", "/v1/save"),
            ("PUT", "/v1/save"),
        ),
        *(("POST", "/v1/players/x:replace"), ("POST", "/v1/players/x:retire")),
    ]
    for method, path in calls:
        for token in ("", "not-the-token"):
            expect(bench.engine.call(method, path, token=token), 401, "unauthorized")


@check("/v1/info tells contract, save formats, limits, orders and options")
def _info(bench: Bench) -> None:
    info = expect(bench.engine.call("GET", "/v1/info"), 200)
    demand("v1" in info["contract_versions"], "v1 is not among the contract versions")
    demand(info["save_formats"]["written"] in info["save_formats"]["read"], "it cannot read what it writes")
    demand(info["engine"] and info["version"] and info["presets"], "name, version or presets are missing")
    demand(info["limits"], "no limits")
    for op, schema in info["orders"].items():
        demand(schema["properties"]["op"]["const"] == op, f"the schema of {op} names another op")
    demand(info["options_schema"]["type"] == "object", "options_schema describes no object")


@check("an empty engine has no game, save or report")
def _empty(bench: Bench) -> None:
    for path in ("/v1/game", "/v1/save", "/v1/turns/0/reports/player-a"):
        expect(bench.engine.call("GET", path), 404, "no_game")
    expect(bench.engine.call("POST", "/v1/turns/1", turn_body("r")), 404, "no_game")
    check_body = {"player_id": "player-a", "turn": 1, "orders": EMPTY}
    expect(bench.engine.call("POST", "/v1/orders:check", check_body), 404, "no_game")


@check("a save that is damaged, mislabelled or foreign is refused")
def _bad_saves(bench: Bench) -> None:
    def put(data: bytes, save_format: str, sha256: str) -> Answer:
        return bench.engine.call(
            "PUT", "/v1/save", data, headers={"X-Save-Format": save_format, "X-Save-Sha256": sha256}
        )

    honest = hashlib.sha256(b"no save").hexdigest()
    expect(put(b"no save", "1", honest), 422, "save_corrupt")
    expect(put(b"no save", "1", "0" * 64), 422, "save_corrupt")
    expect(put(b"no save", "999", honest), 422, "save_format_unsupported")
    expect(bench.engine.call("PUT", "/v1/save", b"no save"), 422)


@check("malformed JSON is 400, an unknown or wrong field 422 with its name")
def _bad_bodies(bench: Bench) -> None:
    for raw in (b"{", b"", b'{"seed": NaN}', b"[" * 100_000):
        expect(bench.engine.call("PUT", "/v1/game", raw), 400, "malformed_json")
    for changes, field in (
        ({"surprise": 1}, "surprise"),
        ({"seed": 5}, "seed"),
        ({"options": {"surprise": 1}}, "options.surprise"),
        ({"players": [{"player_id": "x"}]}, "players[0].race_name"),
    ):
        body = expect(bench.engine.call("PUT", "/v1/game", {**GAME, **changes}), 422, "invalid_field")
        demand(body["error"]["details"].get("field") == field, f"the error does not name {field}")
    expect(bench.engine.call("GET", "/v1/game"), 404, "no_game")


@check("a body over the limit is 413")
def _large_bodies(bench: Bench) -> None:
    limit = bench.engine.call("GET", "/v1/info").json()["limits"]["body_bytes"]
    expect(bench.engine.call("PUT", "/v1/game", b" " * (limit + 1)), 413, "body_too_large")


# -- a game


@check("PUT /v1/game makes a game once: 201, then 200, then 409 for another")
def _create(bench: Bench) -> None:
    made = expect(bench.engine.call("PUT", "/v1/game", GAME), 201)
    demand(made["game_id"] == GAME["game_id"] and made["turn"] == 0, "another game than the one asked for")
    demand(
        [p["player_id"] for p in made["players"]] == ["player-a", "player-b", "player-c"],
        "players are missing",
    )
    demand([p["status"] for p in made["players"]] == ["active", "active", "computer"], "statuses are wrong")
    demand(made["finished"] is False and made["winner"] is None, "a new game is finished")
    demand(
        expect(bench.engine.call("PUT", "/v1/game", GAME), 200) == made, "the repetition answers otherwise"
    )
    expect(bench.engine.call("PUT", "/v1/game", {**GAME, "seed": "another"}), 409, "game_exists")
    demand(expect(bench.engine.call("GET", "/v1/game"), 200) == made, "GET answers otherwise than PUT")


@check("turn 0 has a report for each player, JSON and text")
def _first_reports(bench: Bench) -> None:
    for player in ("player-a", "player-b"):
        report = expect(bench.engine.call("GET", f"/v1/turns/0/reports/{player}?format=json"), 200)
        demand(report["turn"] == 0, "the report is of another turn")
        text = bench.engine.call("GET", f"/v1/turns/0/reports/{player}?format=text")
        demand(text.status == 200 and text.headers["content-type"].startswith("text/plain"), "no text report")
    expect(bench.engine.call("GET", "/v1/turns/0/reports/nobody"), 404, "no_report")
    expect(bench.engine.call("GET", "/v1/turns/7/reports/player-a"), 404, "no_report")
    expect(bench.engine.call("GET", "/v1/turns/0/reports/player-a?format=pdf"), 422, "invalid_field")


@check("checking orders gives verdicts and a forecast, and changes nothing")
def _check_orders(bench: Bench) -> None:
    before = bench.engine.call("GET", "/v1/save").body
    body: dict[str, Any] = {
        "player_id": "player-a",
        "turn": 1,
        "orders": {"format": "text", "text": "\n% what\n"},
    }
    answer = expect(bench.engine.call("POST", "/v1/orders:check", body), 200)
    demand(
        [(r["line"], r["status"]) for r in answer["results"]] == [(2, "error")],
        "a senseless line is no error",
    )
    demand(set(answer["results"][0]) == {"line", "status", "code", "message"}, "results have another shape")
    demand((answer["accepted"], answer["rejected"]) == (0, 1), "the counts are wrong")
    demand(
        {"planets", "groups", "routes", "types"} <= set(answer["forecast"]), "the forecast lacks a section"
    )
    body["orders"] = {"format": "json", "orders": [{"op": "no such order"}, 5]}
    answer = expect(bench.engine.call("POST", "/v1/orders:check", body), 200)
    demand(
        [r["status"] for r in answer["results"]] == ["error", "error"], "senseless JSON orders are no errors"
    )
    demand(bench.engine.call("GET", "/v1/save").body == before, "checking changed the state")
    expect(bench.engine.call("POST", "/v1/orders:check", {**body, "turn": 5}), 409, "wrong_turn")
    expect(
        bench.engine.call("POST", "/v1/orders:check", {**body, "player_id": "nobody"}), 422, "invalid_field"
    )


@check("a dry run tells the outcome and keeps nothing")
def _dry_run(bench: Bench) -> None:
    before = bench.engine.call("GET", "/v1/save").body
    dry = expect(bench.engine.call("POST", "/v1/turns/1", turn_body("dry", dry_run=True)), 200)
    demand(dry["turn"] == 1, "the dry run is of another turn")
    demand(bench.engine.call("GET", "/v1/save").body == before, "the dry run was kept")
    wet = expect(bench.engine.call("POST", "/v1/turns/1", turn_body("turn-1")), 200)
    demand(dry == wet, "the dry run foretold another outcome")


@check("the same turn request again returns the same bytes; anything else about that turn is 409")
def _repeat(bench: Bench) -> None:
    first = bench.engine.call("POST", "/v1/turns/1", turn_body("turn-1"))
    again = bench.engine.call("POST", "/v1/turns/1", turn_body("turn-1"))
    expect(first, 200)
    demand(first.body == again.body, "the bytes differ")
    other = turn_body("turn-1", orders=[])
    expect(bench.engine.call("POST", "/v1/turns/1", other), 409, "turn_conflict")
    expect(bench.engine.call("POST", "/v1/turns/1", turn_body("another")), 409, "turn_conflict")
    expect(bench.engine.call("POST", "/v1/turns/2", turn_body("turn-1")), 409, "turn_conflict")
    for wrong in (0, 3, 99):
        expect(bench.engine.call("POST", f"/v1/turns/{wrong}", turn_body("r")), 409, "wrong_turn")
    answer = first.json()
    wanted = {"turn", "state_hash", "finished", "winner", "players", "report_hashes"}
    demand(set(answer) == wanted, f"the answer holds {sorted(answer)}")


@check("report hashes are those of the reports, and reports of a turn do not change")
def _report_hashes(bench: Bench) -> None:
    hashes = bench.engine.call("POST", "/v1/turns/1", turn_body("turn-1")).json()["report_hashes"]
    demand({"player-a", "player-b"} <= set(hashes), "a player has no report")
    for player, sha256 in hashes.items():
        report = bench.engine.call("GET", f"/v1/turns/1/reports/{player}").body
        demand(hashlib.sha256(report).hexdigest() == sha256, f"the report of {player} has another hash")


@check("orders of unknown or repeated players are 422")
def _bad_players(bench: Bench) -> None:
    stranger = [{"player_id": "nobody", "orders": EMPTY}]
    twice = [{"player_id": "player-a", "orders": EMPTY}] * 2
    for orders, field in ((stranger, "orders[0].player_id"), (twice, "orders[1].player_id")):
        body = expect(
            bench.engine.call("POST", "/v1/turns/2", turn_body("r", orders=orders)), 422, "invalid_field"
        )
        demand(body["error"]["details"].get("field") == field, f"the error does not name {field}")


@check("missing orders are no error")
def _missing(bench: Bench) -> None:
    orders = [{"player_id": "player-a", "orders": None}, {"player_id": "player-b", "orders": EMPTY}]
    answer = expect(bench.engine.call("POST", "/v1/turns/2", turn_body("turn-2", orders=orders)), 200)
    demand(
        {player["status"] for player in answer["players"]} <= _STATUSES, "a status is unknown to the contract"
    )


@check("players are replaced, handed to the computer, or left idle")
def _players(bench: Bench) -> None:
    def statuses(answer: Answer) -> dict[str, str]:
        return {player["player_id"]: player["status"] for player in expect(answer, 200)["players"]}

    replaced = statuses(bench.engine.call("POST", "/v1/players/player-a:replace", {"player_id": "player-x"}))
    demand("player-a" not in replaced and replaced["player-x"] == "active", "the new owner is not there")
    again = statuses(bench.engine.call("POST", "/v1/players/player-a:replace", {"player_id": "player-x"}))
    demand(again == replaced, "the same replacement again is not harmless")
    retired = statuses(
        bench.engine.call("POST", "/v1/players/player-b:retire", {"mode": "computer", "level": 1})
    )
    demand(retired["player-b"] == "computer", "the computer did not take over")
    idle = statuses(bench.engine.call("POST", "/v1/players/player-b:retire", {"mode": "idle"}))
    demand(idle["player-b"] == "idle", "the race is not idle")
    expect(bench.engine.call("POST", "/v1/players/nobody:retire", {"mode": "idle"}), 404, "unknown_player")
    expect(bench.engine.call("POST", "/v1/players/player-x:retire", {"mode": "asleep"}), 422, "invalid_field")
    expect(
        bench.engine.call("POST", "/v1/players/player-x:replace", {"player_id": "player-c"}),
        409,
        "player_exists",
    )


@check("the save carries its format and hash, and the hash is the state hash")
def _save(bench: Bench) -> None:
    answer = bench.engine.call("GET", "/v1/save")
    demand(answer.status == 200, "no save")
    demand(
        answer.headers.get("x-save-sha256") == hashlib.sha256(answer.body).hexdigest(), "the hash is another"
    )
    demand(int(answer.headers["x-save-format"]) >= 1, "no format number")
    demand(bench.engine.call("GET", "/v1/save").body == answer.body, "two saves of one state differ")
    headers = {name: answer.headers[name] for name in ("x-save-format", "x-save-sha256")}
    expect(bench.engine.call("PUT", "/v1/save", answer.body, headers=headers), 409, "game_exists")


@check("a restored engine plays the next turn to the same bytes")
def _restore(bench: Bench) -> None:
    if bench.twin is None:
        raise Skipped("needs --twin")
    saved = bench.engine.call("GET", "/v1/save")
    headers = {name: saved.headers[name] for name in ("x-save-format", "x-save-sha256")}
    restored = expect(bench.twin.call("PUT", "/v1/save", saved.body, headers=headers), 200)
    game = expect(bench.engine.call("GET", "/v1/game"), 200)
    demand(restored == game, "the restored game is another")
    demand(bench.twin.call("GET", "/v1/save").body == saved.body, "the restored engine saves otherwise")
    turn = game["turn"] + 1
    body = {"request_id": "after-restore", "orders": [{"player_id": "player-x", "orders": EMPTY}]}
    one = bench.engine.call("POST", f"/v1/turns/{turn}", body)
    other = bench.twin.call("POST", f"/v1/turns/{turn}", body)
    expect(one, 200)
    demand(one.body == other.body, "the answers differ")
    for form in ("json", "text"):
        path = f"/v1/turns/{turn}/reports/player-x?format={form}"
        demand(
            bench.engine.call("GET", path).body == bench.twin.call("GET", path).body,
            f"the {form} reports differ",
        )


@check("a request id comes back in errors")
def _request_id(bench: Bench) -> None:
    answer = bench.engine.call("GET", "/v1/turns/999/reports/x", headers={"X-Request-Id": "abc-123"})
    demand(expect(answer, 404)["error"]["request_id"] == "abc-123", "another request id")
