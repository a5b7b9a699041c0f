"""Field types that several families share."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from backend.api.fields import MARKS_MAX, Line

LINE: TypeAdapter[str] = TypeAdapter(Line)


@pytest.mark.parametrize(
    "text",
    [
        "a\x00b",
        "a\nb",
        "a\x1b[31mb",
        "a\x7fb",
        "a\x85b",
        "a\x9b31mb",
        "a\u2028b",
        "a\u202eb",
        "a\u2066b",
        "\ud800",
    ],
)
def test_a_line_steers_no_terminal_and_turns_no_text(text: str):
    with pytest.raises(ValidationError):
        LINE.validate_python(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Ada",
        "Ада Лавлейс",
        "Anna’s\u00a0phone",
        "עדה",
        "👩‍🚀 one",
        "👩🏽‍🚀",
        "❤️‍🔥",
        "🏳️‍🌈",
        "<b>",
        "ทั้งที่",
        "हिन्दी",
        "שָׁלוֹם",
        "Việt",
    ],
)
def test_what_people_are_called_is_a_line(text: str):
    assert LINE.validate_python(f" {text} ") == text


@pytest.mark.parametrize(
    "text",
    [
        "\u200b",
        "\u3164",
        "\u2800",
        "\U000e0041",
        "a\ufeffb",
        "a\u00adb",
        "a\u200db",
        "a\u034fb",
        "👩\u200d",
        "\u0301",
        "a \u0301",
        "A" + "\u0300" * 60,
    ],
)
def test_a_line_hides_nothing_and_covers_nobody(text: str):
    with pytest.raises(ValidationError):
        LINE.validate_python(text)


def test_a_line_is_in_nfc():
    assert LINE.validate_python("e\u0301") == "\u00e9"


@given(
    st.text(
        st.sampled_from(
            "aé👩🚀❤ \u00a0\u0300\u0301\u0316\u0489\u200b\u200d\u00ad\ufe0f\u3164\u115f\u2800\U000e0041"
        )
        | st.characters()
    )
)
def test_whatever_is_a_line_can_be_seen_and_stays_as_it_is(text: str):
    try:
        line = LINE.validate_python(text)
    except ValidationError:
        return
    categories = [unicodedata.category(character) for character in line]
    assert LINE.validate_python(line) == unicodedata.normalize("NFC", line) == line == line.strip()
    assert not line or any(category[0] in "LNPS" for category in categories)
    assert {c for c, category in zip(line, categories, strict=True) if category == "Cf"} <= {"\u200d"}
    assert "m" * (MARKS_MAX + 1) not in "".join("m" if c in {"Mn", "Me"} else "." for c in categories)


@given(
    st.text(st.characters(categories=["Lu", "Ll", "Nd", "Po", "Sc", "So"], max_codepoint=0x2FF), min_size=1)
)
def test_letters_digits_and_signs_are_a_line(text: str):
    assert LINE.validate_python(text) == unicodedata.normalize("NFC", text)
