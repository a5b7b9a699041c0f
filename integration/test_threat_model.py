"""docs/threat-model.md covers every stage of the pipeline, and the tests that it names exist."""

import re

import pytest

from integration.seeds_table import ROOT, docstrings_of_tests

TEXT = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("| ").split(" | ")]
    for line in re.findall(r"^\| [EIOPS]\d+ .*$", TEXT, re.MULTILINE)
]
STAGES = [
    "connection guard",
    "envelope",
    "session",
    "payload hash",
    "signature",
    "freshness",
    "replay",
    "rate limit",
]
TESTS = docstrings_of_tests()


def test_every_row_is_whole_and_numbered_in_order() -> None:
    assert all(len(row) == 6 and all(row) for row in ROWS)
    for letter in "ESIOP":
        numbers = [int(row[0][1:]) for row in ROWS if row[0].startswith(letter)]
        assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("stage", [*STAGES, "routing", "push"])
def test_every_stage_of_the_pipeline_defends_something(stage: str) -> None:
    assert any(row[1] == stage for row in ROWS)


def test_named_tests_exist() -> None:
    for row in ROWS:
        nodes = re.findall(r"`([\w./-]+\.py(?:::\w+)+)`", row[5])
        assert row[5] == "open" or nodes, row[0]
        assert [node for node in nodes if node not in TESTS] == [], row[0]
