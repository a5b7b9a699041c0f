"""What the engine refuses over HTTP.

    EngineError
    ├── Refused          the game says no: a code of the contract, details for the caller
    └── InvalidField     a body or header breaks its schema; names the field

One table in `rest` maps codes to statuses; nothing below it knows HTTP.
"""

from typing import Any


class EngineError(Exception):
    """Base of all refusals; `code` is part of the contract."""

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


class Refused(EngineError):
    """The request is well formed, but the game refuses it."""


class InvalidField(EngineError):
    """A field has a wrong value, is missing, or is unknown."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__("invalid_field", f"{field}: {message}", field=field)
