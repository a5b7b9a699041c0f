"""Running the stages."""

from collections.abc import Callable, Sequence

from gateway.pipeline.model import Passage
from gateway.pipeline.ports import Stage
from gateway.sessions.model import Session
from kit.refusals import Refusal


class Pipeline:
    """Stages from left to right; none runs before all left of it have passed."""

    def __init__(self, stages: Sequence[Stage], on_refused: Callable[[str, str], None]) -> None:
        """`on_refused` hears the stage's name and the refusal's code."""
        self._stages = tuple(stages)
        self._on_refused = on_refused

    @property
    def stage_names(self) -> tuple[str, ...]:
        """Return the order in force."""
        return tuple(stage.name for stage in self._stages)

    async def admit(self, passage: Passage) -> Session:
        """Take a request through every stage and return whose it is. Raises the first stage's Refusal."""
        for stage in self._stages:
            try:
                await stage.check(passage)
            except Refusal as refusal:
                self._on_refused(stage.name, refusal.code)
                raise
        return passage.session
