"""Field types that several families share."""

from typing import Annotated

from fastapi import Path
from pydantic import StringConstraints

UUID_PATTERN = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

IdPath = Annotated[str, Path(pattern=UUID_PATTERN)]
"""An id in a path, in the one form that we write."""

Line = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]*$",
    ),
]
"""One line of text that neither steers a terminal nor turns the direction of what stands around it.

Length limits stand at the field.
"""
