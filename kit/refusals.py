"""Refusals: the domain says no, for a reason the caller may read.

A room's `errors.py` derives one class per reason and gives it a stable `code` and a `kind`; its docstring is the default
sentence. The kinds are a closed set, and each edge maps kinds (never classes) to its own statuses.
"""

import inspect
from enum import StrEnum
from typing import Any, ClassVar


class RefusalKind(StrEnum):
    """Why the domain says no, coarsely."""

    INVALID = "invalid"  # what was asked can never be right
    UNAUTHENTICATED = "unauthenticated"  # the proof given does not hold
    FORBIDDEN = "forbidden"  # it may be right, but not for this caller
    NOT_FOUND = "not_found"  # there is no such thing, or none that this caller may know of
    CONFLICT = "conflict"  # not in the present state
    GONE = "gone"  # it was, and will not come back
    TOO_MANY = "too_many"  # a limit is reached; `retry_after_seconds` may tell for how long
    UNAVAILABLE = "unavailable"  # a part that it needs is away; try again later


class Refusal(Exception):
    """Base of every refusal; `details` are safe to show."""

    code: ClassVar[str]
    kind: ClassVar[RefusalKind]

    def __init__(
        self, message: str | None = None, *, retry_after_seconds: int | None = None, **details: Any
    ) -> None:
        self.message = message or inspect.cleandoc(type(self).__doc__ or self.code).splitlines()[0]
        self.details = details
        self.retry_after_seconds = retry_after_seconds
        super().__init__(self.message)
