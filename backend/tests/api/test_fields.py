"""Field types that several families share."""

import pytest
from pydantic import TypeAdapter, ValidationError

from backend.api.fields import Line

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


@pytest.mark.parametrize("text", ["Ada", "Ада Лавлейс", "Anna’s\u00a0phone", "עדה", "👩‍🚀 one", "<b>"])
def test_what_people_are_called_is_a_line(text: str):
    assert LINE.validate_python(f" {text} ") == text
