"""The bookkeeping by itself: a model stream that is filled, read, trimmed and flushed in any order."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from kit.streams.model import START, Entry, Offset, StreamState, judge

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 20)),
        st.tuples(st.just("read"), st.integers(1, 15)),
        st.tuples(st.just("trim_to"), st.integers(0, 10)),
        st.tuples(st.just("look"), st.just(0)),
    ),
    max_size=40,
)


class ModelStream:
    """What Redis knows of a stream."""

    def __init__(self) -> None:
        self.entries: list[int] = []
        self.added = 0

    def state(self) -> StreamState | None:
        if self.added == 0:
            return None
        first = f"{self.entries[0]}-0" if self.entries else None
        return StreamState(self.added, len(self.entries), f"{self.added}-0", first)


@given(ACTIONS)
def test_every_entry_of_an_epoch_is_either_read_or_counted_as_lost(actions: list[tuple[str, int]]):
    stream, offset, read = ModelStream(), START, 0
    for action, size in actions:
        match action:
            case "add":
                for _ in range(size):
                    stream.added += 1
                    stream.entries.append(stream.added)
            case "trim_to":
                stream.entries = stream.entries[max(0, len(stream.entries) - size) :]
            case _:
                last = int(offset.last_id.partition("-")[0])
                ahead = [n for n in stream.entries if n > last]
                offset = judge(offset, stream.state(), read_any=bool(ahead))
                if action == "read" and ahead:
                    taken = ahead[:size]
                    offset = offset.after([Entry(f"{n}-0", {}) for n in taken])
                    read += len(taken)
    assert offset.epoch == 1
    assert read + offset.lost == offset.accounted
    last = int(offset.last_id.partition("-")[0])
    ahead = [n for n in stream.entries if n > last]
    settled = judge(offset, stream.state(), read_any=bool(ahead))
    assert read + settled.lost + len(ahead) == stream.added


def test_a_flush_begins_a_new_epoch_and_counts_what_was_known_to_be_unread():
    offset = Offset(epoch=1, last_id="7-0", accounted=7, lost=0, seen=10)
    assert judge(offset, None, read_any=False) == Offset(2, "0-0", 0, lost=3)


def test_a_stream_that_never_was_is_no_flush():
    assert judge(START, None, read_any=False) == START


def test_a_clock_behind_the_offset_begins_a_new_epoch():
    offset = Offset(1, "99-0", accounted=5, lost=0, seen=5)
    state = StreamState(added=6, length=6, last_generated_id="8-0", first_id="1-0")
    assert judge(offset, state, read_any=False).epoch == 2


def test_a_counter_that_fell_begins_a_new_epoch():
    offset = Offset(1, "9-0", accounted=5, lost=0, seen=5)
    state = StreamState(added=2, length=2, last_generated_id="12-0", first_id="11-0")
    assert judge(offset, state, read_any=True) == Offset(2, "0-0", 0, 0)


def test_a_stream_flushed_and_refilled_beyond_the_old_count_begins_a_new_epoch():
    offset = Offset(1, "9-0", accounted=5, lost=0, seen=5)
    state = StreamState(added=12, length=12, last_generated_id="22-0", first_id="11-0")
    assert judge(offset, state, read_any=True).epoch == 2


def test_a_counter_that_tells_nothing_is_not_believed():
    offset = Offset(1, "9-0", accounted=5, lost=0, seen=5)
    state = StreamState(added=0, length=12, last_generated_id="22-0", first_id="11-0")
    assert judge(offset, state, read_any=True) == offset


def test_entries_deleted_out_of_the_middle_are_counted_in_the_end():
    offset = Offset(1, "9-0", accounted=9, lost=0, seen=9)
    state = StreamState(added=12, length=9, last_generated_id="12-0", first_id="1-0")
    assert judge(offset, state, read_any=False) == replace(offset, accounted=12, lost=3, seen=12)
