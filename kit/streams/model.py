"""Values of the stream reader, and the bookkeeping that tells a lost entry from a read one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from pydantic import Field

from kit.duration import Duration
from kit.settings import Group


class ReaderSettings(Group):
    """Pace of one stream reader."""

    batch: int = Field(100, ge=1, le=1000, description="entries read and committed at once")
    block: Duration = Field(
        timedelta(seconds=1), description="longest wait for a new entry; below Redis's own operation timeout"
    )
    keep: Duration = Field(timedelta(hours=1), description="handled entries older than this are trimmed away")


@dataclass(frozen=True)
class Entry:
    """One stream entry as it stands in Redis."""

    id: str
    fields: Mapping[bytes, bytes]

    def raw(self) -> bytes:
        """Return all fields as bytes: each name and each value with its length (4 bytes, big-endian) before it."""
        parts = [part for pair in self.fields.items() for part in pair]
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


class Malformed(Exception):
    """The handler cannot understand an entry and never will; the text says why, without quoting its payload."""


@dataclass(frozen=True)
class Offset:
    """How far a reader has come, as stored beside its rows."""

    epoch: int
    """Grows each time the stream was found to have begun anew."""
    last_id: str
    accounted: int
    """Entries of this epoch read or counted as lost; compared with the stream's `entries-added`."""
    lost: int
    """Entries lost over all epochs."""
    seen: int = 0
    """Highest `entries-added` of this epoch that was ever seen; what lay between it and `accounted` at a flush is lost."""

    def after(self, entries: Sequence[Entry]) -> "Offset":
        """Return the offset once these entries are handled."""
        return replace(self, last_id=entries[-1].id, accounted=self.accounted + len(entries))

    def anew(self) -> "Offset":
        """Return the beginning of the next epoch; what is known to have been unread is counted as lost."""
        return Offset(self.epoch + 1, START_ID, 0, self.lost + max(0, self.seen - self.accounted))


START_ID = "0-0"
START = Offset(epoch=1, last_id=START_ID, accounted=0, lost=0)


@dataclass(frozen=True)
class StreamState:
    """What XINFO STREAM says, taken in one step with the read of what follows the offset."""

    added: int
    length: int
    last_generated_id: str
    first_id: str | None


def judge(offset: Offset, state: StreamState | None, *, read_any: bool) -> Offset:
    """Return where the reader truly stands: the same offset, one with losses counted, or the start of a new epoch.

    `state` is None where there is no stream; `read_any` tells whether the read in the same step brought entries. Counts come
    from `entries-added`: `max-deleted-entry-id` stays 0-0 after a trim by length and tells nothing.
    """
    if state is None:
        return (
            offset if (offset.last_id, offset.accounted, offset.seen) == (START_ID, 0, 0) else offset.anew()
        )
    if state.added < state.length:  # a stream restored by hand: its counter tells nothing
        return offset
    if id_key(state.last_generated_id) < id_key(offset.last_id) or state.added < max(
        offset.accounted, offset.seen
    ):
        return offset.anew()
    behind = state.added - offset.accounted
    if state.first_id is not None and id_key(state.first_id) > id_key(offset.last_id):
        visible = state.length  # nothing that was read is still there: all of it lies ahead
    else:
        visible = behind if read_any else 0
    if visible > behind:  # more lies ahead than was ever added: flushed and refilled
        return offset.anew()
    lost = behind - visible
    return replace(
        offset, accounted=offset.accounted + lost, lost=offset.lost + lost, seen=max(offset.seen, state.added)
    )


def id_key(entry_id: str) -> tuple[int, int]:
    """Turn a stream id into something that compares in stream order."""
    ms, _, sequence = entry_id.partition("-")
    return int(ms), int(sequence or 0)
