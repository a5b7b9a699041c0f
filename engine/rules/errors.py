"""What the rules refuse.

    RulesError
    ├── Refusal          an order has no effect; carries the code of the catalogue
    ├── BadSetup         a game cannot be made from these options
    └── BadSave          bytes are no save of this engine
        └── UnknownSaveFormat

A turn never raises: refusals become results of their order.
"""


class RulesError(Exception):
    """Base of everything the rules refuse."""


class Refusal(RulesError):
    """An order in error; `code` is stable, the message is for the player."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class BadSetup(RulesError):
    """The options or players cannot make a game; `field` names what is at fault."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


class BadSave(RulesError):
    """The bytes are not a whole, consistent save."""


class UnknownSaveFormat(BadSave):
    """The save is of a format that this engine does not read."""
