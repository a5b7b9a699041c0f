"""Who hears of an intent, and how: pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import urlencode

from notification.catalog import AudienceKind, Channel, NotificationType
from notification.routes.model import AddressNames, NewRoute, SkipReason
from notification.users.model import User, UserStatus

_ADMIN_LOCALE = "en"


class RoutePlanner:
    """Turns a type and its recipients into routes."""

    def __init__(self, names: AddressNames, public_base_url: str) -> None:
        self._names = names
        self._unsubscribe = f"{public_base_url}/api/v1/public/notifications/unsubscribe"

    def for_users(
        self, kind: NotificationType, recipients: Sequence[str], users: Mapping[str, User], now: datetime
    ) -> list[NewRoute]:
        """Return a route for each recipient and channel; what must not be published is there too, as skipped."""
        assert kind.audience is AudienceKind.USER, kind.name
        return [
            self._push(users[user_id]) if channel is Channel.PUSH else self._email(kind, users[user_id], now)
            for user_id in recipients
            for channel in kind.channels
        ]

    def for_admins(self, kind: NotificationType, addresses: Sequence[str]) -> list[NewRoute]:
        """Return a route for each operator's address, or one skipped route that keeps the gap visible."""
        assert kind.audience is AudienceKind.ADMIN, kind.name
        if not addresses:
            return [NewRoute(f"config:{kind.name}", Channel.EMAIL, skip_reason=SkipReason.NO_ADMIN_ADDRESS)]
        return [
            NewRoute(f"email:{self._names(address)}", Channel.EMAIL, address=address, locale=_ADMIN_LOCALE)
            for address in addresses
        ]

    @staticmethod
    def _push(user: User) -> NewRoute:
        return NewRoute(
            f"push:{user.user_id}",
            Channel.PUSH,
            user_id=user.user_id,
            locale=user.locale,
            skip_reason=_why_not_at_all(user),
        )

    def _email(self, kind: NotificationType, user: User, now: datetime) -> NewRoute:
        route_id = f"email:{user.user_id}"
        reason = _why_no_mail(kind, user)
        if reason is not None:
            return NewRoute(route_id, Channel.EMAIL, user_id=user.user_id, skip_reason=reason)
        query = urlencode({"token": user.unsubscribe_token, "type": kind.name})
        return NewRoute(
            route_id,
            Channel.EMAIL,
            user_id=user.user_id,
            address=user.email,
            locale=user.locale,
            time_zone=user.time_zone,
            display_name=user.display_name,
            unsubscribe_url=f"{self._unsubscribe}?{query}" if kind.can_switch_off else "",
            not_before=user.quiet_until(now) if kind.can_switch_off else None,
        )


def _why_no_mail(kind: NotificationType, user: User) -> SkipReason | None:
    if (reason := _why_not_at_all(user)) is not None:
        return reason
    if kind.can_switch_off and kind.name in user.email_off:
        return SkipReason.EMAIL_OFF
    return None if user.email else SkipReason.NO_ADDRESS


def _why_not_at_all(user: User) -> SkipReason | None:
    match user.status:
        case UserStatus.ACTIVE:
            return None
        case UserStatus.BLOCKED:
            return SkipReason.USER_BLOCKED
        case UserStatus.DELETED:
            return SkipReason.USER_DELETED
