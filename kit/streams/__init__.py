"""Reading Redis streams with the offset in Postgres, in the very transaction of the rows that the entries caused.

So a crash neither loses nor repeats an entry. What a reader can still lose is what Redis itself lost (a flush, a trim past
the reader): that is detected, counted in `lost` and logged, and the reader goes on by itself.
"""

from kit.streams.model import Entry, Malformed, ReaderSettings
from kit.streams.reader import OffsetMoved, ReadCounts, StreamHandler, StreamReader

__all__ = [
    "Entry",
    "Malformed",
    "OffsetMoved",
    "ReadCounts",
    "ReaderSettings",
    "StreamHandler",
    "StreamReader",
]
