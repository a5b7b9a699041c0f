"""The player's account and the devices that are signed in to it."""

from collections.abc import Sequence

from client.calls.caller import Caller
from client.calls.model import Account, Nothing, Page, Preferences, QuietHours, Revoked, Session


class AccountCalls:
    """Commands `user.account.*` and `user.preferences.*`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def get(self) -> Account:
        """Return the account."""
        return await self._caller.read("user.account.get", Account)

    async def update(
        self, *, display_name: str | None = None, locale: str | None = None, time_zone: str | None = None
    ) -> Account:
        """Change what is given, leave the rest."""
        return await self._caller.change(
            "user.account.update", Account, display_name=display_name, locale=locale, time_zone=time_zone
        )

    async def preferences(self) -> Preferences:
        """Return which mails the player wants, and when."""
        return await self._caller.read("user.preferences.get", Preferences)

    async def replace_preferences(
        self, email_off: Sequence[str], quiet_hours: QuietHours | None
    ) -> Preferences:
        """Set which mails the player does not want, and when none at all; both are replaced."""
        return await self._caller.change(
            "user.preferences.update",
            Preferences,
            email_off=list(email_off),
            quiet_hours=quiet_hours.model_dump(by_alias=True) if quiet_hours else None,
        )


class SessionCalls:
    """Commands `user.sessions.*`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def list(self) -> Page[Session]:
        """Return the signed-in devices."""
        return await self._caller.read("user.sessions.list", Page[Session])

    async def rename(self, device_session_id: str, device_name: str) -> Nothing:
        """Give a device another name."""
        return await self._caller.change(
            "user.sessions.rename", Nothing, device_session_id=device_session_id, device_name=device_name
        )

    async def revoke(self, device_session_id: str) -> Nothing:
        """End one session, at once and for good."""
        return await self._caller.change("user.sessions.revoke", Nothing, device_session_id=device_session_id)

    async def revoke_all(self) -> Revoked:
        """End all sessions of the player, this one too."""
        return await self._caller.change("user.sessions.revoke_all", Revoked)
