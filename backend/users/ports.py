"""What other rooms need of accounts, and what accounts need of other rooms."""

from collections.abc import Sequence
from typing import Any, Protocol

from backend.users.model import Account
from kit.postgres import Connection


class Users(Protocol):
    """Looks accounts up in the cache: no call waits for Postgres."""

    def get(self, user_id: str) -> Account:
        """Return the account, whatever its status. Raises UserNotFound."""

    def find(self, user_id: str) -> Account | None:
        """Return the account, or None."""

    def find_by_email(self, email: str) -> Account | None:
        """Return the account of an address in any spelling, never a deleted one, or None."""


class EndedSessions(Protocol):
    """Sessions that a transaction has ended; to be announced once it has committed."""

    def announce(self) -> None:
        """Write them through the cache and tell the gateways."""


class SessionEnder(Protocol):
    """What leaving needs of sign-in."""

    async def end_all_for_deletion(self, connection: Connection, user_id: str) -> EndedSessions:
        """End every device session of a user inside the caller's transaction."""

    async def export(self, connection: Connection, user_id: str) -> Sequence[dict[str, Any]]:
        """Return the user's device sessions as JSON values."""
