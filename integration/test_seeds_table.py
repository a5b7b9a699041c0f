"""docs/seeds.md is true: its tests exist and quote it, its lines exist, and no statement of the five pages is missing."""

import re

import pytest

from integration.seeds_table import (
    PAGES,
    ROOT,
    TABLE,
    Row,
    docstrings_of_tests,
    pages,
    quotations,
    renewed,
    rows,
)

TEXT = TABLE.read_text(encoding="utf-8")
ROWS = list(rows(TEXT))
LISTED = pages(TEXT)
DOCSTRINGS = docstrings_of_tests()


def test_every_page_is_listed_and_every_row_is_read() -> None:
    assert sorted(LISTED) == sorted(PAGES.split("|"))
    written = [line for line in TEXT.splitlines() if any(line.startswith(f"| {name}:") for name in LISTED)]
    assert len(ROWS) == len(written)


@pytest.mark.parametrize("name", sorted(LISTED))
def test_every_statement_line_of_a_page_has_a_row_and_rows_stay_inside_it(name: str) -> None:
    covered: set[int] = set()
    for row in ROWS:
        if row.lines.page == name:
            assert 1 <= row.lines.first <= row.lines.last <= LISTED[name].length, (
                f"docs/seeds.md:{row.number}"
            )
            covered.update(range(row.lines.first, row.lines.last + 1))
    assert covered == LISTED[name].statements


@pytest.mark.parametrize("row", [row for row in ROWS if row.nodes], ids=lambda row: f"line {row.number}")
def test_named_tests_exist_and_quote_the_statement(row: Row) -> None:
    for node in row.nodes:
        assert node in DOCSTRINGS, f"docs/seeds.md:{row.number} names a test that is not there: {node}"
        assert any(row.lines.meets(quote) for quote in quotations(DOCSTRINGS[node])), (
            f"docs/seeds.md:{row.number}: the docstring of {node} does not quote {row.lines}"
        )


def test_places_exist() -> None:
    for row in ROWS:
        for place in re.findall(r"`([^`]+)`", row.lives_in):
            assert (ROOT / place).exists(), f"docs/seeds.md:{row.number}: {place}"


def test_last_column_says_open_superseded_or_which_tests() -> None:
    for row in ROWS:
        rest = row.shown_by
        for node in row.nodes:
            rest = rest.replace(f"`{node}`", "")
        plain = rest.strip(", ")
        assert plain in {"", "open"} or plain.startswith("superseded: docs/ARCHITECTURE.md §"), (
            f"docs/seeds.md:{row.number}: {row.shown_by}"
        )


def test_docstrings_quote_only_lines_that_exist() -> None:
    for node, docstring in DOCSTRINGS.items():
        for quote in quotations(docstring):
            assert quote.last <= LISTED[quote.page].length, f"{node} quotes {quote}"


def test_quotations_are_read_in_all_their_spellings() -> None:
    """Single lines, ranges, and lists after one page name."""
    text = "a-runbook:1 " + "backend-" + "runbook:4, 9-10; gateway-" + "runtime:7"
    assert [(quote.first, quote.last) for quote in quotations(text)] == [(4, 4), (9, 10), (7, 7)]


def test_renewing_fills_in_and_takes_out() -> None:
    row = "| backend-runbook:80-81 | Alive. | `backend/` | {} |\n"
    node = "backend/tests/test_probes.py::test_alive"
    filled = renewed(row.format("open"), {node: "Stays 200: " + "backend-" + "runbook:81."})
    assert filled == row.format(f"`{node}`")
    assert renewed(filled, {node: "Nothing quoted: here."}) == row.format("open")


def test_renewing_keeps_what_superseded_a_statement() -> None:
    row = "| backend-runbook:70 | Old tool. | `kit/` | superseded: docs/ARCHITECTURE.md §5 (another tool) {} |\n"
    node = "kit/tests/test_migrate.py::test_order"
    assert renewed(row.format("(open)"), {node: "backend-" + "runbook:70"}) == row.format(f"`{node}`")


def test_neighbours_that_share_a_line_are_told_apart() -> None:
    first = "| backend-runbook:174-175 | Logs are shown. | `integration/` | {} |\n"
    second = "| backend-runbook:175-178 | No root. | `deploy/` | {} |\n"
    node = "deploy/tests/test_compose_files.py::test_nobody_is_root"
    text = renewed((first + second).format("open", "open"), {node: "backend-" + "runbook:175-178"})
    assert text == (first + second).format("open", f"`{node}`")
