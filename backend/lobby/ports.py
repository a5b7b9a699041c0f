"""What the lobby needs of other rooms."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from kit.postgres import Connection


class EngineVersions(Protocol):
    """Which engines games may run on."""

    def default_version(self) -> str | None:
        """Return the newest enabled version, or None."""

    def is_enabled(self, version: str) -> bool:
        """Tell whether games may start on a version."""

    def find_option_fault(self, version: str, options: Mapping[str, Any]) -> tuple[str, str] | None:
        """Return the first option that engines of a version do not take, and why; None where all fit or nobody knows yet."""


class RuntimeStates(Protocol):
    """How the engine of a game does, in words that players may read."""

    def status_of(self, game_id: str) -> tuple[str, str]:
        """Return (status, detail); status is `none` before the first start."""


class Finals(Protocol):
    """Who has marked the orders of the coming turn final."""

    async def finals_of(
        self, connection: Connection, game_ids: Sequence[str]
    ) -> Mapping[str, frozenset[str]]:
        """Return the player ids that are final, by game."""


class Starter(Protocol):
    """Who starts the engines of games in `starting`."""

    def wake(self) -> None:
        """Look for such games now. They are found in the table anyway; this only saves the wait."""
