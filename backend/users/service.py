"""Use cases around accounts, and the cache `user`."""

import functools
import zoneinfo
from collections.abc import Mapping, Sequence
from datetime import datetime

from backend.cache import TableCache
from backend.leadership.ports import Transactions
from backend.push.model import Signal
from backend.push.ports import PushRing
from backend.users import storage
from backend.users.email import normalise_email
from backend.users.errors import (
    AccountDeleted,
    AccountNotActive,
    AddressMalformed,
    LinkOver,
    NothingToChange,
    UnknownTimeZone,
    UserNotFound,
)
from backend.users.links import UnsubscribeTokens
from backend.users.model import Account, AccountStatus
from kit.clock import Clock
from kit.ids import NewId
from kit.postgres import Connection

EMAIL_OFF_MAX = 64
"""Notification types that one account can have switched off."""


class AccountCache(TableCache[str, Account]):
    """Accounts by id and by address."""

    def __init__(self) -> None:
        super().__init__("user", lambda account: account.user_id)
        self._by_email: dict[str, str] = {}

    def put(self, row: Account) -> None:
        """Keep a committed account, unless a later version of it is kept already."""
        before = self.find(row.user_id)
        super().put(row)
        if self.find(row.user_id) is not row:
            return
        if before is not None and before.email != row.email:
            self._by_email.pop(before.email, None)
        if row.email:
            self._by_email[row.email] = row.user_id

    def find_by_email(self, email: str) -> Account | None:
        """Return the account of a normalised address, or None."""
        user_id = self._by_email.get(email)
        return self.find(user_id) if user_id is not None else None

    def clear(self) -> None:
        """Drop everything."""
        super().clear()
        self._by_email.clear()


class UserDirectory:
    """Accounts: looking up (from the cache) and changing (through Postgres, then the cache)."""

    def __init__(
        self,
        transactions: Transactions,
        push_ring: PushRing,
        clock: Clock,
        new_id: NewId,
        unsubscribe_tokens: UnsubscribeTokens,
    ) -> None:
        self._transactions = transactions
        self._push_ring = push_ring
        self._clock = clock
        self._new_id = new_id
        self._tokens = unsubscribe_tokens
        self.cache = AccountCache()

    async def warm(self) -> None:
        """Read the whole table into the cache."""
        async with self._transactions.read() as connection:
            await self.cache.load(lambda: storage.list_all(connection))

    def get(self, user_id: str) -> Account:
        """Return the account, whatever its status. Raises UserNotFound."""
        account = self.cache.find(user_id)
        if account is None:
            raise UserNotFound
        return account

    def find(self, user_id: str) -> Account | None:
        """Return the account, or None."""
        return self.cache.find(user_id)

    def find_by_email(self, email: str) -> Account | None:
        """Return the account of an address in any spelling, never a deleted one, or None."""
        try:
            return self.cache.find_by_email(normalise_email(email))
        except AddressMalformed:
            return None

    def page(self, offset: int, limit: int, search: str = "") -> tuple[list[Account], int]:
        """Return accounts, newest first, whose address or name contains `search`, and how many there are in all."""
        wanted = search.strip().lower()
        found = [
            account
            for account in self.cache
            if not wanted or wanted in account.email or wanted in account.display_name.lower()
        ]
        found.sort(key=lambda account: account.user_id, reverse=True)
        return found[offset : offset + limit], len(found)

    def unsubscribe_token(self, user_id: str) -> str:
        """Return the token of this user's unsubscribe links."""
        return self._tokens.of(user_id)

    async def register(
        self,
        connection: Connection,
        email: str,
        locale: str,
        time_zone: str,
        country: str | None,
        now: datetime,
    ) -> tuple[Account, bool]:
        """Return the account of a normalised address, made now where there is none, and whether it was.

        The account is locked until the caller's transaction ends; after its commit the caller hands it to `committed`.
        """
        user_id = self._new_id()
        # The last characters of the id are random; an address would give its owner away to other players.
        name = f"Commander {user_id[-4:].upper()}"
        made = await storage.insert(connection, user_id, email, name, locale, time_zone, country, now)
        if made is not None:
            return made, True
        known = await storage.lock_by_email(connection, email)
        assert known is not None, "an address that cannot be inserted is there"
        return known, False

    async def stored(self, connection: Connection, user_id: str) -> Account:
        """Return the account as Postgres has it, locked like `register`'s. Raises UserNotFound."""
        account = await storage.lock(connection, user_id)
        if account is None:
            raise UserNotFound
        return account

    def committed(self, account: Account) -> None:
        """Write a committed account through."""
        self.cache.put(account)

    async def update(
        self, user_id: str, display_name: str | None, locale: str | None, time_zone: str | None
    ) -> Account:
        """Change what is not None. Raises NothingToChange, UnknownTimeZone, AccountNotActive."""
        if display_name is None and locale is None and time_zone is None:
            raise NothingToChange
        if time_zone is not None:
            check_time_zone(time_zone)
        async with self._transactions.write() as connection:
            changed = await storage.update(connection, user_id, display_name, locale, time_zone)
        return self._changed(changed, "account_updated")

    async def set_blocked(self, connection: Connection, user_id: str, blocked: bool) -> tuple[Account, bool]:
        """Block an account or let it act again, inside the caller's transaction; tell whether that changed anything.

        A sign-in on its way waits for the account's row, so it comes before or is refused. After the commit the caller hands
        the account to `committed`. Raises UserNotFound, AccountDeleted.
        """
        account = await self.stored(connection, user_id)
        if account.status is AccountStatus.DELETED:
            raise AccountDeleted
        changed = await storage.set_blocked(connection, user_id, blocked)
        return changed or account, changed is not None

    async def set_preferences(
        self, user_id: str, email_off: Sequence[str], quiet_hours: Mapping[str, str] | None
    ) -> Account:
        """Replace the preferences. Raises AccountNotActive."""
        async with self._transactions.write() as connection:
            changed = await storage.set_preferences(connection, user_id, sorted(set(email_off)), quiet_hours)
        return self._changed(changed, "preferences_updated")

    def whose_link(self, token: str) -> Account:
        """Return whose unsubscribe link it is. Raises LinkOver for a foreign token or a deleted account."""
        user_id = self._tokens.read(token)
        account = self.cache.find(user_id) if user_id is not None else None
        if account is None or account.status is AccountStatus.DELETED:
            raise LinkOver
        return account

    async def unsubscribe(self, token: str, notification_type: str) -> Account:
        """Switch e-mail of one type off; again is the same. Raises LinkOver."""
        user_id = self.whose_link(token).user_id
        async with self._transactions.write() as connection:
            account = await storage.lock(connection, user_id)
            if account is None or account.status is AccountStatus.DELETED:
                raise LinkOver
            wanted = sorted({*account.email_off, notification_type})
            if len(wanted) > EMAIL_OFF_MAX:  # links name any type; there are never so many
                raise LinkOver
            changed = await storage.set_preferences(connection, user_id, wanted, account.quiet_hours)
        return self._changed(changed, "preferences_updated")

    def _changed(self, account: Account | None, reason: str) -> Account:
        if account is None:
            raise AccountNotActive
        self.cache.put(account)
        self._push_ring.publish(Signal("account.changed", [account.user_id], {"reason": reason}))
        return account


def check_time_zone(name: str) -> None:
    """Raise UnknownTimeZone unless `name` is an IANA name that this machine knows."""
    if name not in _time_zones():
        raise UnknownTimeZone


@functools.cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
