"""`make logs`: the last lines of every process, readable, and what comes after."""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

_STYLES = ("cyan", "green", "magenta", "yellow", "blue", "bright_cyan", "bright_green", "bright_magenta")
_LEVEL_STYLES = {"warning": "yellow", "error": "bold red", "critical": "bold red"}
_SILENT_FIELDS = frozenset(["time", "level", "event", "service"])
_POLL_SECONDS = 0.25
_READ_BACK_BYTES = 256 * 1024


def show_logs(console: Console, folder: Path, names: Sequence[str], *, lines: int, follow: bool) -> None:
    """Print the last lines of each named log (all, when none is named), then whatever is added, until Ctrl-C."""
    paths = sorted(folder.glob("*.log"))
    if names:
        paths = [path for path in paths if path.stem in names]
    followers = [_Follower(path) for path in paths]
    width = max((len(path.stem) for path in paths), default=0)
    styles = {path.stem: _STYLES[index % len(_STYLES)] for index, path in enumerate(paths)}

    def show(name: str, line: str) -> None:
        prefix = Text(f"{name:<{width}}  ", style=styles[name])
        console.print(Text.assemble(prefix, readable(line)), soft_wrap=True)

    for follower in followers:
        for line in follower.last(lines):
            show(follower.name, line)
    while follow:
        for follower in followers:
            for line in follower.fresh():
                show(follower.name, line)
        time.sleep(_POLL_SECONDS)


def readable(line: str) -> Text:
    """Turn one JSON event into columns; anything else stays as it is."""
    try:
        event: Any = json.loads(line)
    except ValueError:
        return Text(line)
    if not isinstance(event, dict) or "event" not in event:
        return Text(line)
    level = str(event.get("level", "info"))
    fields = "  ".join(f"{key}={_short(value)}" for key, value in event.items() if key not in _SILENT_FIELDS)
    return Text.assemble(
        (str(event.get("time", ""))[11:23] + "  ", "dim"),
        (str(event["event"]), _LEVEL_STYLES.get(level, "bold")),
        (f"  {fields}" if fields else "", "dim"),
    )


def _short(value: object) -> str:
    return value if isinstance(value, str) and " " not in value else json.dumps(value, ensure_ascii=False)


class _Follower:
    """Reads a log that may be turned over while it is read."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self._path = path
        self._inode = 0
        self._offset = 0

    def last(self, count: int) -> list[str]:
        with self._path.open("rb") as file:
            stat = self._path.stat()
            self._inode, self._offset = stat.st_ino, stat.st_size
            file.seek(max(0, stat.st_size - _READ_BACK_BYTES))
            content = file.read(stat.st_size - file.tell())
        return [line for line in content.decode("utf-8", "replace").splitlines() if line.strip()][-count:]

    def fresh(self) -> Iterator[str]:
        try:
            stat = self._path.stat()
            if stat.st_ino != self._inode or stat.st_size < self._offset:
                self._inode, self._offset = stat.st_ino, 0
            if stat.st_size == self._offset:
                return
            with self._path.open("rb") as file:
                file.seek(self._offset)
                content = file.read(stat.st_size - self._offset)
        except OSError:
            return
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        yield from (line for line in whole.decode("utf-8", "replace").splitlines() if line.strip())
