"""Values of tail reading."""

from collections.abc import Mapping
from dataclasses import dataclass

Id = tuple[int, int]
"""A stream id: milliseconds and sequence."""


_SEQUENCE_MAX = 2**64 - 1


@dataclass(frozen=True, slots=True)
class TailEntry:
    """One entry as it stands in the stream."""

    epoch: str
    id: Id
    fields: Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Place:
    """How far the reader has come."""

    epoch: str
    last_id: Id
    accounted: int
    """Entries ever added, of this life, that were read or are known to be lost."""


@dataclass(frozen=True, slots=True)
class StreamState:
    """What Redis says of the stream."""

    epoch: str
    added: int
    length: int
    first_id: Id | None
    last_generated_id: Id


def parse_id(text: bytes) -> Id:
    """Read a stream id."""
    ms, _, sequence = text.decode().partition("-")
    return int(ms), int(sequence or 0)


def format_id(entry_id: Id) -> str:
    """Write a stream id."""
    return f"{entry_id[0]}-{entry_id[1]}"


def before(entry_id: Id) -> Id:
    """Return the id just before this one, so that reading after it gives this one first."""
    ms, sequence = entry_id
    return (ms, sequence - 1) if sequence else (ms - 1, _SEQUENCE_MAX)


def began_anew(place: Place, read: list[Id], state: StreamState) -> bool:
    """Tell whether this is another life of the stream than the one that `place` belongs to."""
    return (
        state.epoch != place.epoch
        or state.last_generated_id < place.last_id
        or _unaccounted(place, read, state) < 0
    )


def lost_entries(place: Place, read: list[Id], state: StreamState) -> int:
    """Return how many entries after `place` were trimmed unread, given what was just read and the state after that."""
    if state.first_id is not None and state.first_id <= place.last_id:
        return 0  # what this reader read last is still there, so nothing behind it was trimmed
    return _unaccounted(place, read, state)


def _unaccounted(place: Place, read: list[Id], state: StreamState) -> int:
    """Return entries added since `place`, less those that were read or can be read; below zero the counter fell."""
    since = state.added - place.accounted
    if state.first_id is None:
        return since - len(read)
    if state.first_id <= place.last_id:
        return since
    return since - sum(1 for entry_id in read if entry_id < state.first_id) - state.length
