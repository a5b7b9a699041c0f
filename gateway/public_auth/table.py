"""Which public calls are forwarded (docs/ARCHITECTURE.md, 3.1); everything else is not there."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PublicRoute:
    """One forwarded path and its methods."""

    path: str
    methods: tuple[str, ...]


PUBLIC_ROUTES: tuple[PublicRoute, ...] = (
    PublicRoute("/api/v1/public/auth/send-email-code", ("POST",)),
    PublicRoute("/api/v1/public/auth/confirm-email-code", ("POST",)),
    PublicRoute("/api/v1/public/auth/sign-out-everywhere", ("GET", "POST")),
    PublicRoute("/api/v1/public/notifications/unsubscribe", ("GET", "POST")),
    PublicRoute("/api/v1/public/mail/bounces", ("POST",)),
)
