"""Durations as people write them in settings: `250ms`, `2s`, `5m`, `1h30m`, `7d`."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator

_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_WHOLE = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d))+")


def parse_duration(text: str) -> timedelta:
    """Read `1h30m` and its like.

    Raises ValueError with a sentence when the text is not one or more numbers, each with one of the units ms, s, m, h, d.
    """
    if not _WHOLE.fullmatch(text):
        raise ValueError(
            f"{text!r} is no duration; write numbers with units, like 250ms, 2s, 5m, 1h30m or 7d"
        )
    return timedelta(seconds=sum(float(n) * _UNIT_SECONDS[unit] for n, unit in _PART.findall(text)))


def format_duration(value: timedelta) -> str:
    """Write a duration in the largest units that keep it exact to the millisecond: `1h30m`, `250ms`, `0s`."""
    left = round(value.total_seconds() * 1000)
    if left == 0:
        return "0s"
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def _coerce(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


Duration = Annotated[timedelta, BeforeValidator(_coerce)]
"""A timedelta field that also reads the written form."""
