"""Engine versions and their order."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

_SEMVER = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?")


@dataclass(frozen=True)
class EngineVersion:
    """One registered engine image."""

    semver: str
    image: str
    """Reference of the image; the process adapter ignores it."""
    digest: str | None
    """`sha256:…`: where it is known, an image of another digest is not started."""
    enabled: bool
    """Whether new games may be made and started on it; running games go on."""
    registered_at: datetime
    options_schema: Mapping[str, Any] | None = field(repr=False)
    """JSON Schema of the options that games on it may be made with; None until an engine of it has said so."""
    version: int
    """Grows with each change; the cache keeps the highest."""


def is_semver(text: str) -> bool:
    """Tell whether a text is a semantic version (without build metadata)."""
    return _SEMVER.fullmatch(text) is not None


def precedence(semver: str) -> tuple[int, int, int, bool, tuple[tuple[int, int, str], ...]]:
    """Return a key that sorts versions by semver.org's rules: a pre-release comes before its release."""
    match = _SEMVER.fullmatch(semver)
    assert match is not None, "the table holds semantic versions only"
    parts = tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in (match[4] or "").split(".")
        if part
    )
    return int(match[1]), int(match[2]), int(match[3]), match[4] is None, parts
