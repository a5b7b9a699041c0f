"""Group commit: outcomes that arrive while a completion is being written go together into the next one."""

import asyncio
from dataclasses import dataclass

from kit.outbox import LaneStorage
from kit.outbox.model import Completions, Lane
from kit.postgres import Database, PostgresUnavailable


@dataclass(eq=False)
class _Member:
    completions: Completions
    kept: set[str] | None = None
    failure: PostgresUnavailable | None = None

    @property
    def answered(self) -> bool:
        return self.kept is not None or self.failure is not None


class Marks:
    """Writes the outcomes of all workers of a lane, one statement at a time, and never waits for more to come.

    A mail is on record as soon as it would be alone; only under load do several share a commit, and then the statement
    before theirs is what they wait for. Each is still guarded by its own claim token.
    """

    def __init__(self, storage: LaneStorage) -> None:
        self._storage = storage
        self._turn = asyncio.Lock()
        self._waiting: list[_Member] = []

    async def complete(self, completions: Completions) -> set[str]:
        """End attempts; return the ids that were still ours. Raises PostgresUnavailable to all that shared the statement."""
        member = _Member(completions)
        self._waiting.append(member)
        try:
            async with self._turn:
                if not member.answered:
                    await self._write(self._next_group(member))
        finally:
            if member in self._waiting:
                self._waiting.remove(member)
        if member.failure is not None:
            raise PostgresUnavailable(str(member.failure)) from member.failure
        assert member.kept is not None
        return member.kept

    def _next_group(self, leader: _Member) -> list[_Member]:
        """Take what waits along; of two claims of one entry (the older has lost its lease) the second goes next time."""
        group, ids = [leader], {c.id for c in leader.completions}
        for member in self._waiting:
            theirs = {c.id for c in member.completions}
            if member is not leader and not ids & theirs:
                group.append(member)
                ids |= theirs
        self._waiting = [member for member in self._waiting if member not in group]
        return group

    async def _write(self, group: list[_Member]) -> None:
        try:
            kept = await self._storage.complete([c for member in group for c in member.completions])
        except PostgresUnavailable as failure:
            for member in group:
                member.failure = failure
        except BaseException:
            self._waiting[:0] = group[
                1:
            ]  # the leader's own end is no answer to the others: the next one leads them
            raise
        else:
            for member in group:
                member.kept = kept & {c.id for c in member.completions}


class MarkingStorage(LaneStorage):
    """The claims of one worker, whose outcomes are written together with those of the lane's other workers."""

    def __init__(self, database: Database, lane: Lane, marks: Marks) -> None:
        super().__init__(database, lane)
        self._marks = marks

    async def complete(self, completions: Completions) -> set[str]:
        """End the attempts of one token; return the ids that were still ours. Raises PostgresUnavailable."""
        return await self._marks.complete(completions)
