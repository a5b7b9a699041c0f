"""JSON logs on stdout: constant event names, facts as fields."""

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TextIO

from engine.settings import LOG_LEVELS


def utc_now() -> datetime:
    """Return the wall clock, which only logs look at."""
    return datetime.now(UTC)


class Log:
    """Writes one JSON object a line; events below the level are dropped."""

    def __init__(self, level: str, out: TextIO = sys.stdout, now: Callable[[], datetime] = utc_now) -> None:
        self._least = LOG_LEVELS.index(level)
        self._out = out
        self._now = now

    def write(self, level: str, event: str, **fields: Any) -> None:
        """Write an event; a field that is None is left out."""
        if LOG_LEVELS.index(level) < self._least:
            return
        line = {
            "ts": self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": level,
            "service": "engine",
            "event": event,
            **{name: value for name, value in fields.items() if value is not None},
        }
        # A reader of the logs that went away must not take the game with it.
        with suppress(BrokenPipeError):
            self._out.write(json.dumps(line, default=str) + "\n")
            self._out.flush()
