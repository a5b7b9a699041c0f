"""Caught mail on disk: `<id>.eml` as it came, `<id>.json` with its summary. A message exists once the latter does."""

import contextlib
import json
import secrets
import time
from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from deploy.embedded.mailcatcher.model import Summary, Term, summarise

MESSAGES_MAX = 500
MESSAGE_BYTES_MAX = 10 * 1024 * 1024
TOTAL_BYTES_MAX = 200 * 1024 * 1024


class Mailbox:
    """All caught messages, newest first. One event loop uses it; its files are small and local."""

    def __init__(
        self, folder: Path, *, messages_max: int = MESSAGES_MAX, total_bytes_max: int = TOTAL_BYTES_MAX
    ) -> None:
        self._folder = folder
        self._messages_max = messages_max
        self._total_bytes_max = total_bytes_max
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._messages = {summary.id: summary for summary in _load(folder)}
        self._sweep()

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def size(self) -> int:
        """Return the bytes of all messages together."""
        return sum(summary.size for summary in self._messages.values())

    @property
    def unread(self) -> int:
        """Return how many were never opened."""
        return sum(not summary.read for summary in self._messages.values())

    def add(self, raw: bytes, *, return_path: str, recipients: tuple[str, ...]) -> Summary:
        """Keep a message, and let the oldest go where a bound is reached. Raises OSError when it cannot be stored."""
        # Sorts by arrival also as text; the tail keeps two of the same millisecond apart.
        identifier = f"{time.time_ns() // 1_000_000:013d}{secrets.token_hex(4)}"
        created = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        summary = summarise(
            raw, id=identifier, created=created, return_path=return_path, recipients=recipients
        )
        try:
            (self._folder / f"{identifier}.eml").write_bytes(raw)
            self._write(summary)
        except OSError:
            self._unlink(identifier)
            raise
        self._messages[identifier] = summary
        while len(self._messages) > self._messages_max or self.size > self._total_bytes_max:
            self.remove([next(iter(self._messages))])
        return summary

    def list(self, terms: tuple[Term, ...] = ()) -> list[Summary]:
        """Return the messages that match every term, newest first."""
        return [summary for summary in reversed(self._messages.values()) if summary.matches(terms)]

    def find(self, identifier: str) -> Summary | None:
        """Return one message; `latest` is the newest."""
        if identifier == "latest":
            return next(reversed(self._messages.values()), None)
        return self._messages.get(identifier)

    def raw(self, summary: Summary) -> bytes:
        """Return a message as it came."""
        return (self._folder / f"{summary.id}.eml").read_bytes()

    def mark_read(self, summary: Summary) -> None:
        """Note that it was opened."""
        if not summary.read:
            self._messages[summary.id] = replace(summary, read=True)
            with contextlib.suppress(OSError):  # a full disk must not hide a mail
                self._write(self._messages[summary.id])

    def remove(self, identifiers: Iterable[str]) -> None:
        """Forget these; unknown ones are ignored."""
        for identifier in list(identifiers):
            if self._messages.pop(identifier, None) is not None:
                self._unlink(identifier)

    def clear(self) -> None:
        """Forget all."""
        self.remove(list(self._messages))

    def _write(self, summary: Summary) -> None:
        draft = self._folder / f"{summary.id}.part"
        draft.write_text(json.dumps(asdict(summary)))
        draft.replace(self._folder / f"{summary.id}.json")

    def _unlink(self, identifier: str) -> None:
        for ending in ("json", "part", "eml"):
            (self._folder / f"{identifier}.{ending}").unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what an interrupted write left."""
        for path in [*self._folder.glob("*.part"), *self._folder.glob("*.eml")]:
            if path.stem not in self._messages:
                path.unlink(missing_ok=True)


def _load(folder: Path) -> list[Summary]:
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            said = json.loads(path.read_bytes())
            summary = Summary(
                **said
                | {
                    "recipients": tuple(said["recipients"]),
                    "sender": tuple(said["sender"]),
                    "to": tuple(tuple(pair) for pair in said["to"]),
                }
            )
        except (ValueError, TypeError, KeyError):  # written by another release, or cut short by a crash
            continue
        if path.with_suffix(".eml").exists():
            found.append(summary)
    return found
