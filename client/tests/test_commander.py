"""The demo's scripted player: plain orders, made from the report alone."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from client.demo.commander import PIONEER, SCHOLAR, Commander

REPORTS = Path(__file__).with_name("reports")
ORDER = re.compile(
    r"D \w+( \d+(\.\d+)?){5}|N #\d+ \w+|P #\d+ \w+|L \d+ (COL|CAP) \d+|S (MAX|\d+) #\d+( \d+)?|R #\d+ (COL|CAP|EMP) #\d+"
)


def report(turn: int) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((REPORTS / f"turn{turn}.json").read_text(encoding="utf-8"))
    return body


@pytest.mark.parametrize("turn", [0, 10])
@pytest.mark.parametrize("character", [PIONEER, SCHOLAR])
def test_every_line_is_an_order(turn: int, character: Any) -> None:
    lines = Commander(character).orders(report(turn)).splitlines()
    assert lines
    assert [line for line in lines if not ORDER.fullmatch(line)] == []


def test_the_same_report_gives_the_same_orders() -> None:
    assert Commander(PIONEER).orders(report(10)) == Commander(PIONEER).orders(report(10))


def test_the_first_turn_designs_names_and_builds() -> None:
    lines = Commander(PIONEER).orders(report(0)).splitlines()
    assert {line.split()[1] for line in lines if line.startswith("D ")} == {"Probe", "Hauler", "Freighter"}
    assert {line.split()[2] for line in lines if line.startswith("P ")} >= {"Probe", "Hauler"}
    assert any(line.endswith(" Terra") for line in lines if line.startswith("N "))


def test_no_planet_is_scouted_twice_in_one_turn() -> None:
    body = report(10)
    for row in body["unowned_planets"]:
        row.pop("size", None)
    probes = [
        line.split()[2]
        for line in Commander(PIONEER).orders(body).splitlines()
        if re.match(r"S \d+ #\d+ 1$", line)
    ]
    assert probes
    assert len(probes) == len(set(probes))


def test_a_race_that_has_lost_its_worlds_gives_no_orders() -> None:
    assert Commander(PIONEER).orders({**report(10), "planets": []}).strip() == ""
