"""The documents say what the code does."""

import ast
import re
from typing import Any

from engine import determinism, rest
from engine.info import info
from engine.rules import report_json, turn
from engine.rules.orders import catalogue
from engine.rules.orders.reading import read_text
from engine.tests.conftest import ROOT

README = (ROOT / "engine" / "README.md").read_text()
REPORT = (ROOT / "engine" / "docs" / "report.md").read_text()
ORDERS = (ROOT / "engine" / "docs" / "orders.md").read_text()


def keys(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*(keys(item) for item in value)) if value else set()
    if isinstance(value, dict):
        return set(value).union(*(keys(item) for item in value.values())) if value else set()
    return set()


def test_every_key_of_a_report_is_described():
    state = determinism.scripted_game()
    found: set[str] = set()
    for _ in range(12):
        outcome = turn.take_turn(state, {race: determinism.orders(state, race) for race in range(2)})
        state = outcome.game
        for race in range(len(state.races)):
            report = report_json.report(outcome, race)
            del report["game_options"], report["own_options"]
            found |= keys(report)
    described = set(re.findall(r"`([a-z_]+)`", REPORT))
    assert found - described == set()
    assert {"incoming", "in_production", "seen_groups", "points_per_ship"} <= found


def test_the_readme_lists_every_variable():
    source = (ROOT / "engine" / "settings.py").read_text()
    assert set(re.findall(r"ENGINE_[A-Z_]+[A-Z]", source)) == set(re.findall(r"ENGINE_[A-Z_]+[A-Z]", README))


def test_the_readme_lists_every_log_event():
    sources = [path.read_text() for path in (ROOT / "engine").glob("*.py")]
    events = {event for source in sources for event in re.findall(r'\.write\(\s*"\w+",\s*"(\w+)"', source)}
    assert events - set(re.findall(r"`(\w+)`", README)) == set()


def test_info_describes_the_orders_limits_and_sequence():
    told = info()
    assert told["orders"]["send"]["x-text"] == "S group planet [count]"
    assert told["orders"]["load"]["x-text"] == "L group goods [count] [AMOUNT amount]"
    assert told["options_schema"]["properties"]["size"]["default"] is None
    waiting = [step["name"] for step in told["turn_sequence"] if not step["runs"]]
    assert waiting == [
        "first_battles",
        "first_bombing",
        "fleets",
        "intercepts",
        "second_battles",
        "second_bombing",
    ]
    assert [step["step"] for step in told["turn_sequence"]] == list(range(2, 20))


def test_only_the_entry_point_reads_the_environment():
    readers = set()
    for path in (ROOT / "engine").rglob("*.py"):
        if "tests" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr == "environ":
                readers.add(path.name)
    assert readers <= {"__main__.py", "bench.py"}


def test_every_status_is_an_error():
    assert all(400 <= status < 600 for status in rest.STATUSES.values())


def test_the_page_for_players_lists_every_order_as_the_catalogue_has_it():
    rows = re.findall(r"^\| (\w+) \| `([^`]+)` \| (.+) \|$", ORDERS, re.MULTILINE)
    assert rows == [
        (op, schema["x-text"], schema["description"]) for op, schema in catalogue.schemas().items()
    ]


def test_the_opening_that_players_are_told_can_be_pasted_as_it_stands():
    first, second = (read_text(block) for block in ORDERS.split("```")[1:4:2])
    assert [len(first), len(second)] == [4, 5]
    assert all(line.order is not None for line in (*first, *second))
