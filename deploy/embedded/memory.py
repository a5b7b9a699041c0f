"""What a stack takes: each page counted once, shared ones divided among those who share them."""

import contextlib
from collections.abc import Iterable

import psutil


def memory_of(pid: int) -> int:
    """Return the bytes that a process and its descendants take (PSS where the system tells it, else RSS)."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return sum(map(_share, [process, *process.children(recursive=True)]))
    return 0


def memory_of_all(pids: Iterable[int]) -> int:
    """Add them up. None of them may descend from another."""
    return sum(map(memory_of, pids))


def memory_of_one(pid: int) -> int:
    """Return the bytes of that process alone."""
    with contextlib.suppress(psutil.Error):
        return _share(psutil.Process(pid))
    return 0


def _share(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.rss))
    with contextlib.suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0
