"""Names of races: what may be one, how it is stored, and the names that computer players take."""

import re
from collections.abc import Iterable

from backend.lobby.errors import RaceNameInvalid

_ALLOWED = re.compile(r"[A-Za-z0-9_]{1,20}")
_RESERVED = frozenset(
    {
        "gm",
        "cap",
        "mat",
        "col",
        "emp",
        "drive",
        "weapons",
        "shields",
        "cargo",
        "max",
        "fleet",
        "amount",
        "all",
    }
)
_COMPUTERS = ("Automata", "Borealis", "Cygnians", "Draconids", "Eridani", "Fomalhaut", "Geminids", "Hydrans")


def race_key(name: str) -> str:
    """Return what two race names are compared by."""
    return name.lower()


def checked_race_name(text: str, game_name: str) -> str:
    """Return the name as stored: outer blanks gone, inner ones as underscores.

    Raises RaceNameInvalid for a wrong length, a foreign character, a word of the order language or the game's own name.
    """
    name = "_".join(text.split())
    if not _ALLOWED.fullmatch(name):
        raise RaceNameInvalid("a race name has 1 to 20 letters, digits or underscores", race_name=text)
    if race_key(name) in _RESERVED or race_key(name) == race_key("_".join(game_name.split())):
        raise RaceNameInvalid(f"{name} is a reserved word", race_name=name)
    return name


def computer_names(taken: Iterable[str], count: int) -> list[str]:
    """Return `count` names for computer players beside those taken, always the same for the same game."""
    used = {race_key(name) for name in taken}
    names: list[str] = []
    number = 0
    while len(names) < count:
        base = _COMPUTERS[number % len(_COMPUTERS)]
        round_ = number // len(_COMPUTERS)
        name = base if round_ == 0 else f"{base}_{round_ + 1}"
        number += 1
        if race_key(name) not in used:
            used.add(race_key(name))
            names.append(name)
    return names
