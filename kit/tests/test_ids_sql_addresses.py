"""Small modules: ids, SQL pages, addresses, clocks."""

import sys
import uuid
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.addresses import is_bare_address, normalise_address
from kit.clock import SystemClock, rfc3339, unix_ms
from kit.ids import is_uuid, uuid7
from kit.sql import load_queries


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1))
def test_ids_sort_by_the_moment_of_their_making(one: int, other: int):
    if one < other:
        assert uuid7(one) < uuid7(other)
    value = uuid.UUID(uuid7(one))
    assert (value.version, value.variant) == (7, uuid.RFC_4122)
    assert int(value) >> 80 == one


def test_ids_of_one_moment_differ():
    assert len({uuid7(1) for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "text", ["", "7", "{01900000-0000-7000-8000-000000000001}", "01900000-0000-7000-8000-00000000000A"]
)
def test_only_the_canonical_form_of_an_id_is_accepted(text: str):
    assert not is_uuid(text)
    assert is_uuid(uuid7())


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def write(text: str) -> str:
        package = tmp_path / "sqlpage"
        package.mkdir(exist_ok=True)
        (package / "__init__.py").touch()
        (package / "queries.sql").write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        sys.modules.pop("sqlpage", None)
        return "sqlpage"

    return write


def test_a_page_gives_its_statements_by_name(page):
    queries = load_queries(
        page("-- A page.\n-- name: one\n-- Says one.\nSELECT 1\n\n-- name: two\nSELECT {t}\n"), t="x"
    )
    assert list(queries) == ["one", "two"]
    assert queries["one"].endswith("SELECT 1")
    assert queries["two"] == "SELECT x"
    with pytest.raises(KeyError):
        queries["three"]


def test_a_name_given_twice_is_refused(page):
    with pytest.raises(ValueError, match="names one twice"):
        load_queries(page("-- name: one\nSELECT 1\n-- name: one\nSELECT 2\n"))


@pytest.mark.parametrize("identifier", ["x; DROP TABLE y", "X", '"x"', "", "1x"])
def test_only_plain_identifiers_fill_a_placeholder(page, identifier: str):
    with pytest.raises(ValueError, match="no plain identifier"):
        load_queries(page("-- name: one\nSELECT * FROM {t}\n"), t=identifier)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ada@Example.TEST", "ada@example.test"),
        ("a.b+c@x.test", "a.b+c@x.test"),
        ("ada@пример.рф", "ada@xn--e1afmkfd.xn--p1ai"),
        ("ada@localhost", "ada@localhost"),
    ],
)
def test_addresses_have_one_spelling(text: str, address: str):
    assert normalise_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "ada",
            "@x.test",
            "ada@",
            "ada@@x.test",
            "a b@x.test",
            "Ada <ada@x.test>",
            "ada@x.test,eve@x.test",
        ),
        *(
            "ada@x..test",
            "ada@-x.test",
            ".ada@x.test",
            "ада@x.test",
            "ada@x.test\r\nBcc: eve@x.test",
            "ada@[127.0.0.1]",
        ),
        *("a" * 65 + "@x.test", "a@" + ".".join(["x" * 60] * 5), "a>b@x.test"),
    ],
)
def test_what_is_no_bare_address_is_none(text: str):
    assert not is_bare_address(text)


def test_instants_are_written_in_utc_with_milliseconds():
    moment = datetime(2030, 1, 2, 3, 4, 5, 678_900, tzinfo=timezone(timedelta(hours=2)))
    assert rfc3339(moment) == "2030-01-02T01:04:05.678Z"
    assert unix_ms(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)) == 1000
    assert SystemClock().now().tzinfo is UTC
