"""What may go wrong with an embedded stack, in words that a person can act upon.

StackError
├── PortTakenError      a fixed address is held by somebody else
├── FolderError         the data folder cannot be used as it is
│   ├── FolderLockedError   another launcher runs on it
│   └── FolderTooNewError   it was written by a newer Galaxy
├── DiskFullError       no space is left where the data lives
├── CannotRunError      this machine lacks something that is needed
└── ChildFailedError    a process ended, or was not ready in time
"""

from pathlib import Path


class StackError(Exception):
    """One clear sentence, and where there is one, what to do about it."""

    def __init__(self, sentence: str, remedy: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.remedy = remedy


class PortTakenError(StackError):
    """A fixed address is held by somebody else."""


class FolderError(StackError):
    """The data folder cannot be used as it is."""


class FolderLockedError(FolderError):
    """Another launcher runs on this data folder."""


class FolderTooNewError(FolderError):
    """The data folder was written by a newer Galaxy than this one."""


class DiskFullError(StackError):
    """No space is left where the data lives."""


class CannotRunError(StackError):
    """This machine lacks something that the embedded stack needs."""


class ChildFailedError(StackError):
    """A process ended, or was not ready in time; `last_lines` is what it said last."""

    def __init__(
        self, name: str, sentence: str, *, last_lines: tuple[str, ...] = (), log_path: Path | None = None
    ) -> None:
        super().__init__(sentence, remedy=f"Its whole log is in {log_path}." if log_path else "")
        self.name = name
        self.last_lines = last_lines
        self.log_path = log_path
