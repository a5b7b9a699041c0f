"""Reads docs/seeds.md and the docstrings of all tests, and renews the table's last column from them.

`python -m integration.seeds_table` rewrites the column: each row names the tests whose docstring quotes its page and one
of its lines, `open` where none does. The statements themselves are written by hand.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "seeds.md"
PAGES = "backend-runbook|gateway-runbook-latest|gateway-runbook-redis-streams|gateway-runtime|notification-runbook"
TESTED = (
    "kit",
    "engine",
    "gateway",
    "backend",
    "notification",
    "mail",
    "client",
    "deploy",
    "proto",
    "integration",
)

_QUOTE = re.compile(rf"({PAGES}):(\d+)(?:[-–](\d+))?((?:,\s?\d+(?:[-–]\d+)?)*)")
_ROW = re.compile(rf"\| ({PAGES}):(\d+)(?:-(\d+))? \| (.+) \| (.+) \| (.+) \|")
_PAGE = re.compile(rf"\| ({PAGES}) \| (\d+) \| ([\d, -]+) \|")
_NODE = re.compile(r"`([\w./-]+\.py(?:::\w+)+)`")
_SUPERSEDED = re.compile(r"(superseded: docs/ARCHITECTURE\.md §[^(]+\([^()]*\)) .*")


@dataclass(frozen=True)
class Quotation:
    """Lines `first` to `last` of a page."""

    page: str
    first: int
    last: int

    def meets(self, other: "Quotation") -> bool:
        """Whether one lies within the other. A common edge is not enough: neighbours may share a line of the page."""
        return self.page == other.page and (
            self.first <= other.first <= other.last <= self.last
            or other.first <= self.first <= self.last <= other.last
        )


@dataclass(frozen=True)
class Row:
    """One statement of the table, and the number of its line in docs/seeds.md."""

    lines: Quotation
    statement: str
    lives_in: str
    shown_by: str
    number: int

    @property
    def nodes(self) -> list[str]:
        """The node ids of the tests that it names."""
        return _NODE.findall(self.shown_by)


@dataclass(frozen=True)
class Page:
    """One of the five pages: how many lines it has and which of them make statements."""

    name: str
    length: int
    statements: frozenset[int]


def pages(text: str) -> dict[str, Page]:
    """Read the list of pages from the head of the table."""
    found = {}
    for name, length, ranges in _PAGE.findall(text):
        lines: set[int] = set()
        for part in ranges.split(","):
            first, _, last = part.strip().partition("-")
            lines.update(range(int(first), int(last or first) + 1))
        found[name] = Page(name, int(length), frozenset(lines))
    return found


def rows(text: str) -> Iterator[Row]:
    """Read the statements in the order of the page."""
    for number, line in enumerate(text.splitlines(), 1):
        if match := _ROW.fullmatch(line):
            page, first, last, statement, lives_in, shown_by = match.groups()
            lines = Quotation(page, int(first), int(last or first))
            yield Row(lines, statement, lives_in, shown_by, number)


def quotations(docstring: str) -> list[Quotation]:
    """Every page and line that a docstring quotes: `page:4`, `page:4-7`, `page:4,9`."""
    found = []
    for page, first, last, more in _QUOTE.findall(docstring):
        found.append(Quotation(page, int(first), int(last or first)))
        for begin, end in re.findall(r"(\d+)(?:[-–](\d+))?", more):
            found.append(Quotation(page, int(begin), int(end or begin)))
    return found


def docstrings_of_tests(root: Path = ROOT) -> dict[str, str]:
    """The docstring of every test of the repository by node id, read without importing anything."""
    found: dict[str, str] = {}
    for package in TESTED:
        for file in sorted((root / package).rglob("test_*.py")):
            if "node_modules" not in file.parts:
                where = file.relative_to(root).as_posix()
                found.update(_tests_in(ast.parse(file.read_text(encoding="utf-8")), where))
    return found


def _tests_in(tree: ast.Module | ast.ClassDef, prefix: str) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            yield f"{prefix}::{node.name}", ast.get_docstring(node) or ""
        elif isinstance(node, ast.ClassDef) and node.name.startswith(("Test", "test")):
            yield from _tests_in(node, f"{prefix}::{node.name}")


def renewed(text: str, docstrings: dict[str, str]) -> str:
    """The table with its last column as the docstrings have it."""
    quoted = {node: quotations(docstring) for node, docstring in docstrings.items() if ":" in docstring}
    lines = text.splitlines()
    for row in rows(text):
        nodes = [node for node, quotes in quoted.items() if any(row.lines.meets(quote) for quote in quotes)]
        shown = ", ".join(f"`{node}`" for node in nodes)
        if superseded := _SUPERSEDED.fullmatch(row.shown_by):
            shown = f"{superseded[1]} {shown or '(open)'}"
        span = f"-{row.lines.last}" if row.lines.last != row.lines.first else ""
        quote = f"{row.lines.page}:{row.lines.first}{span}"
        lines[row.number - 1] = f"| {quote} | {row.statement} | {row.lives_in} | {shown or 'open'} |"
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    before = TABLE.read_text(encoding="utf-8")
    after = renewed(before, docstrings_of_tests())
    TABLE.write_text(after, encoding="utf-8")
    table = list(rows(after))
    still_open = sum(not row.nodes for row in table)
    sys.stdout.write(
        f"docs/seeds.md: {len(table)} statements, {len(table) - still_open} shown by tests, {still_open} open\n"
    )
