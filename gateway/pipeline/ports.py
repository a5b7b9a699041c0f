"""What a stage looks like from the pipeline."""

from typing import Protocol

from gateway.pipeline.model import Passage


class Stage(Protocol):
    """One check."""

    @property
    def name(self) -> str:
        """Return the stage's constant name, for metrics and logs."""

    async def check(self, passage: Passage) -> None:
        """Let the request pass, or raise a Refusal."""
