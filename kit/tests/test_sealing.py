"""Sealed values: opened by whoever holds a key, in their own place alone."""

import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.sealing import SealRing, UnsealError

OLD, NEW = bytes(range(32)), bytes(range(32, 64))


@given(st.binary(max_size=200), st.text(max_size=40))
def test_what_was_sealed_is_opened_in_its_place(plain: bytes, place: str):
    ring = SealRing([NEW])
    assert ring.open(ring.seal(plain, place), place) == plain


def test_a_value_moved_to_another_place_does_not_open():
    ring = SealRing([NEW])
    with pytest.raises(UnsealError):
        ring.open(ring.seal(b"482915", "delivery-1"), "delivery-2")


def test_the_first_key_seals_and_every_key_opens():
    before = SealRing([OLD]).seal(b"code", "d")
    rotated = SealRing([NEW, OLD])
    assert rotated.open(before, "d") == b"code"
    with pytest.raises(UnsealError):
        SealRing([OLD]).open(rotated.seal(b"code", "d"), "d")


def test_the_same_value_is_never_sealed_alike():
    ring = SealRing([NEW])
    assert ring.seal(b"482915", "d") != ring.seal(b"482915", "d")


@given(st.integers(0, 60), st.integers(1, 255))
def test_a_damaged_value_does_not_open(position: int, change: int):
    ring = SealRing([NEW])
    raw = bytearray(base64.b64decode(ring.seal(os.urandom(32), "d")))
    raw[position] ^= change
    with pytest.raises(UnsealError):
        ring.open(base64.b64encode(raw).decode(), "d")


@pytest.mark.parametrize("sealed", ["", "AQ==", "not base64!", "ключ", "A" * 40])
def test_what_is_no_sealed_value_does_not_open(sealed: str):
    with pytest.raises(UnsealError):
        SealRing([NEW]).open(sealed, "d")


@pytest.mark.parametrize("text", ["", ",", "c2hvcnQ=", "not base64", base64.b64encode(bytes(31)).decode()])
def test_keys_that_are_none_are_refused_with_a_sentence(text: str):
    with pytest.raises(ValueError, match="32 bytes"):
        SealRing.from_text(text)


def test_a_ring_is_read_newest_first():
    text = ", ".join(base64.b64encode(key).decode() for key in (NEW, OLD))
    ring = SealRing.from_text(text)
    assert SealRing([NEW]).open(ring.seal(b"x", "d"), "d") == b"x"
