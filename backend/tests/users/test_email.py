"""Addresses have one spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.users.email import normalise_email
from backend.users.errors import AddressMalformed

_LOCAL = st.text("abcXYZ019!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=30)
_LABEL = st.from_regex(r"\A[A-Za-z0-9]([A-Za-z0-9-]{0,10}[A-Za-z0-9])?\Z")


@given(_LOCAL, st.lists(_LABEL, min_size=2, max_size=4))
def test_normalising_is_idempotent_and_blind_to_case(local, labels):
    address = f"{local}@{'.'.join(labels)}"
    try:
        once = normalise_email(address)
    except AddressMalformed:
        return  # labels like xn--… are IDNA's to refuse
    assert normalise_email(once) == once
    assert normalise_email(f"  {address.upper()} ") == once


@given(st.text(max_size=60))
def test_any_text_gives_an_address_or_a_refusal(text):
    try:
        address = normalise_email(text)
    except AddressMalformed:
        return
    assert address.isascii()
    assert address == address.lower()
    assert address.count("@") == 1


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Ada@Example.ORG", "ada@example.org"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada+tag@example.org.", "ada+tag@example.org"),
    ],
)
def test_spellings_of_one_address_meet(written, kept):
    assert normalise_email(written) == kept


@pytest.mark.parametrize(
    "text",
    [
        "ada",
        "ada@",
        "@example.org",
        "ada@localhost",
        "a..b@example.org",
        ".a@example.org",
        "a b@example.org",
        "ada@exa mple.org",
        "ada@example.org\r\nBcc: x@example.org",
        "x" * 65 + "@example.org",
        "ada@-a.org",
    ],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(AddressMalformed):
        normalise_email(text)
