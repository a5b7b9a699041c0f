"""What sign-in needs of the world beyond its own tables."""

from typing import Protocol


class MailHealth(Protocol):
    """Knows whether sign-in codes reach their readers in time."""

    async def codes_delayed(self) -> bool:
        """Tell whether a code asked for now will probably come late; never raises."""
