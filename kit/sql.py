"""SQL on its own page: every statement of a room stands in its `queries.sql` under a name and a sentence.

The page is plain SQL. A statement begins with a line `-- name: lease_deliveries`, comment lines after it tell what it does,
its parameters and its rows; it ends where the next name begins.
"""

import re
from collections.abc import Iterator, Mapping
from importlib import resources

_NAME = re.compile(r"^-- name: (?P<name>[a-z][a-z0-9_]*)[ \t]*$", re.MULTILINE)
_TABLE = re.compile(r"\{([a-z_]+)\}")


class Queries(Mapping[str, str]):
    """The statements of one page by name; asking for an unknown name is a defect (KeyError)."""

    def __init__(self, statements: Mapping[str, str]) -> None:
        self._statements = dict(statements)

    def __getitem__(self, name: str) -> str:
        return self._statements[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._statements)

    def __len__(self) -> int:
        return len(self._statements)


def load_queries(package: str, file: str = "queries.sql", **tables: str) -> Queries:
    """Read a page of SQL from a package.

    `tables` fills placeholders like `{table}` with identifiers, for the few pages that serve several tables of one shape;
    anything but a plain identifier is refused (ValueError), so that no value can ever take this way.
    """
    for identifier in tables.values():
        if not re.fullmatch(r"[a-z_][a-z0-9_.]*", identifier):
            raise ValueError(f"{identifier!r} is no plain identifier")
    text = resources.files(package).joinpath(file).read_text(encoding="utf-8")
    marks = list(_NAME.finditer(text))
    statements: dict[str, str] = {}
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        body = text[mark.end() : following.start() if following else len(text)].strip()
        if mark["name"] in statements:
            raise ValueError(f"{package}/{file} names {mark['name']} twice")
        statements[mark["name"]] = _TABLE.sub(lambda m: tables.get(m[1], m[0]), body) if tables else body
    return Queries(statements)
