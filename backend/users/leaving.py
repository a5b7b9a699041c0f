"""A player takes everything along, or goes for good."""

from typing import Any

from backend.leadership.ports import Transactions
from backend.outbox.model import Intent, MailCommand, MailKind
from backend.outbox.ports import Outbox
from backend.users import storage
from backend.users.errors import AccountNotActive, UserNotFound
from backend.users.model import Account
from backend.users.ports import SessionEnder
from backend.users.service import UserDirectory
from kit.clock import Clock, rfc3339
from kit.ids import NewId


class Leaving:
    """Export and deletion of an account."""

    def __init__(
        self,
        transactions: Transactions,
        directory: UserDirectory,
        sessions: SessionEnder,
        outbox: Outbox,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        self._transactions = transactions
        self._directory = directory
        self._sessions = sessions
        self._outbox = outbox
        self._clock = clock
        self._new_id = new_id

    async def export(self, user_id: str) -> dict[str, Any]:
        """Return all that the ground rooms hold of a user, as JSON values. Raises UserNotFound."""
        account = self._directory.get(user_id)
        async with self._transactions.read() as connection:
            sessions = await self._sessions.export(connection, user_id)
            countries = await storage.list_countries(connection, user_id)
        return {
            "account": account_json(account),
            "preferences": preferences_json(account),
            "sessions": list(sessions),
            "countries": [
                {
                    **row,
                    "first_seen_at": rfc3339(row["first_seen_at"]),
                    "last_seen_at": rfc3339(row["last_seen_at"]),
                }
                for row in countries
            ],
            "exported_at": rfc3339(self._clock.now()),
        }

    async def delete(self, user_id: str) -> None:
        """Empty the account, end its sessions, and have mail and notification forget it. Raises AccountNotActive."""
        now = self._clock.now()
        async with self._transactions.write() as connection:
            before = await storage.lock(connection, user_id)
            if before is None:
                raise UserNotFound
            deleted = await storage.delete(connection, user_id, now)
            if deleted is None:
                raise AccountNotActive
            ended = await self._sessions.end_all_for_deletion(connection, user_id)
            await self._outbox.add_intent(
                connection,
                Intent("user.deleted", f"user.deleted:{user_id}", {"user_id": user_id}, [user_id]),
            )
            await self._outbox.add_mail(
                connection,
                MailCommand(
                    delivery_id=self._new_id(),
                    idempotency_key=f"erase:{user_id}",
                    kind=MailKind.ERASE,
                    to=before.email,
                    user_id=user_id,
                ),
            )
        self._directory.committed(deleted)
        ended.announce()


def account_json(account: Account) -> dict[str, Any]:
    """Write an account as its owner sees it."""
    return {
        "user_id": account.user_id,
        "email": account.email,
        "display_name": account.display_name,
        "locale": account.locale,
        "time_zone": account.time_zone,
        "status": account.status.value,
        "declared_country": account.declared_country,
        "created_at": rfc3339(account.created_at),
    }


def preferences_json(account: Account) -> dict[str, Any]:
    """Write the preferences as their owner sees them."""
    return {"email_off": list(account.email_off), "quiet_hours": account.quiet_hours}
