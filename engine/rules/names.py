"""Names of races, planets and ship types (rules, 5)."""

from engine.rules.errors import Refusal

NAME_LENGTH_MAX = 20
# Latin, Greek and Cyrillic: blocks whose letters and cases no longer change between Unicode editions, so that every
# Python agrees on what is a name.
_LAST_LETTER = 0x52F
PRODUCT_WORDS = ("CAP", "MAT", "DRIVE", "WEAPONS", "SHIELDS", "CARGO")
_KEYWORDS = frozenset({*PRODUCT_WORDS, "GM", "COL", "EMP", "MAX", "FLEET", "AMOUNT", "ALL"})


def key(name: str) -> str:
    """Return what two names are compared by."""
    return name.casefold()


def written(text: str) -> str:
    """Return the name as stored: outer blanks gone, inner ones as underscores."""
    return "_".join(text.split())


def checked(text: str, game_id: str) -> str:
    """Return the name as stored, or refuse it with E_NAME or E_RESERVED."""
    name = written(text)
    if not name:
        raise Refusal("E_NAME", "The name is empty.")
    if len(name) > NAME_LENGTH_MAX:
        raise Refusal("E_NAME", f"The name is longer than {NAME_LENGTH_MAX} characters.")
    if not all(_allowed(character) for character in name):
        raise Refusal("E_NAME", "A name consists of letters, digits and underscores.")
    if name.upper() in _KEYWORDS or key(name) == key(game_id):
        raise Refusal("E_RESERVED", f"{name} is a reserved word.")
    return name


def _allowed(character: str) -> bool:
    if character == "_" or "0" <= character <= "9":
        return True
    return character.isalpha() and ord(character) <= _LAST_LETTER
