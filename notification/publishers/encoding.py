"""Routes as entries of the gateway's and the mail service's streams."""

from typing import Protocol

import orjson

from kit.clock import rfc3339
from notification.catalog import AudienceKind, Catalog, NotificationType, PayloadMismatch
from notification.routes.model import RoutePayload

SOURCE = "notification"


class PayloadEncodingFailed(Exception):
    """The route cannot be written as an entry: what was accepted no longer fits the catalog."""


class Encoder(Protocol):
    """Writes a route as the fields of a stream entry."""

    def encode(self, route: RoutePayload) -> dict[str, str | bytes]:
        """Return the entry's fields. Raises PayloadEncodingFailed."""


class PushEncoder:
    """For `gateway:client-events`."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def encode(self, route: RoutePayload) -> dict[str, str | bytes]:
        """Return one event for all devices of a user; fields that belong into mails alone are left out."""
        kind = _checked(self._catalog, route)
        if route.user_id is None:
            raise PayloadEncodingFailed("a push route without a user")
        shown = {name: value for name, value in route.payload.items() if name not in kind.mail_only}
        return {
            "user_id": route.user_id,
            "device_session_id": "",
            "event_type": kind.push_event_type,
            "event_id": route.id,
            "payload_bytes": orjson.dumps(shown),
            "occurred_at": rfc3339(route.occurred_at),
            "request_id": route.request_id,
            "trace_id": route.trace_id,
        }


class EmailEncoder:
    """For `mail:delivery_commands`."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def encode(self, route: RoutePayload) -> dict[str, str | bytes]:
        """Return one delivery command; the route's id is the delivery's, so that a repeat is the same mail."""
        kind = _checked(self._catalog, route)
        if not route.address or not kind.template_id:
            raise PayloadEncodingFailed("an e-mail route without address or template")
        variables = {**route.payload, "time_zone": route.time_zone}
        if kind.audience is AudienceKind.ADMIN:
            variables |= {"notification_type": kind.name, "occurred_at": rfc3339(route.occurred_at)}
        else:
            variables["display_name"] = route.display_name
        return {
            "kind": "send",
            "delivery_id": route.id,
            "source": SOURCE,
            "template_id": kind.template_id,
            "locale": route.locale,
            "to": route.address,
            "variables_json": orjson.dumps(variables),
            "sealed": "",
            "unsubscribe_url": route.unsubscribe_url,
            "user_id": route.user_id or "",
            "expires_at": "",
            "idempotency_key": f"route:{route.id}",
            "occurred_at": rfc3339(route.occurred_at),
            "request_id": route.request_id,
            "trace_id": route.trace_id,
        }


def _checked(catalog: Catalog, route: RoutePayload) -> NotificationType:
    kind = catalog.find(route.notification_type)
    if kind is None:
        raise PayloadEncodingFailed("a type that the catalog no longer has")
    try:
        catalog.check(kind.name, route.payload)
    except PayloadMismatch as mismatch:
        raise PayloadEncodingFailed(str(mismatch)) from mismatch
    return kind
