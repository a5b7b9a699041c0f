"""Field types that several families share."""

import unicodedata
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, StringConstraints

UUID_PATTERN = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
MARKS_MAX = 4
"""Marks that do not space, upon one character (UTS #39, 5.4): what people write has fewer, stacks over lines have more."""

IdPath = Annotated[str, Path(pattern=UUID_PATTERN)]
"""An id in a path, in the one form that we write."""

_ZWJ = "\u200d"
_VARIATIONS = frozenset(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))
# Drawn as nothing, though Unicode calls them letters, marks or symbols, or has not assigned them yet.
_FILLERS = frozenset(
    map(
        chr,
        [
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2065, 0x2800, 0x3164),
            *(0xFFA0, 0x16FE4, 0x1D159, *range(0xFFF0, 0xFFF9), *range(0xE0000, 0xE0100)),
            *range(0xE01F0, 0xE1000),
        ],
    )
)


def _seen(text: str) -> str:
    """Return a line in NFC; raise ValueError where it holds what nobody sees, or what covers its neighbours."""
    line = unicodedata.normalize("NFC", text)
    marks, based, visible = 0, False, not line
    for place, character in enumerate(line):
        category = unicodedata.category(character)
        if character in _FILLERS or (category == "Cf" and not _joins_emoji(line, place)):
            raise ValueError("holds a character that cannot be seen")
        if category in {"Mn", "Me"}:
            marks += 1
            if not based or marks > MARKS_MAX:
                raise ValueError("holds accents that are on no letter, or too many on one")
        elif category != "Mc":
            marks, based = 0, category[0] in "LNPS"
            visible |= based
    if not visible:
        raise ValueError("holds nothing that can be seen")
    return line


def _joins_emoji(line: str, place: int) -> bool:
    before = line[:place].rstrip("".join(_VARIATIONS))[-1:]
    return line[place] == _ZWJ and _is_pictorial(before) and _is_pictorial(line[place + 1 : place + 2])


def _is_pictorial(character: str) -> bool:
    # U+2194 is mathematics to Unicode, yet part of emoji; of skin tones, which are modifiers, and of emoji newer than this
    # interpreter, the block tells.
    return character != "" and (
        unicodedata.category(character) == "So"
        or character == "\u2194"
        or "\U0001f300" <= character <= "\U0001faff"
    )


Line = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]*$",
    ),
    AfterValidator(_seen),
]
"""One line of text that neither steers a terminal nor turns the direction of what stands around it, in NFC.

Unless it is empty, something of it can be seen; nothing in it is invisible but the joiner within an emoji, and no character
carries more than `MARKS_MAX` marks. Length limits stand at the field.
"""
