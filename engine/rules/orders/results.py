"""What an order came to."""

from dataclasses import dataclass
from enum import StrEnum

Warnings = list[tuple[str, str]]
"""Codes and messages of what was adjusted or ignored."""


class Outcome(StrEnum):
    """ok: done as written; warning: done with an adjustment, or ignored; error: no effect."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class OrderResult:
    """The verdict on one order; `text` is the order as received."""

    line: int
    text: str
    status: Outcome
    code: str
    message: str
