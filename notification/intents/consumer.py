"""What becomes of the entries of `notification:intents`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kit.clock import Clock
from kit.logs import get_logger
from kit.postgres import Connection
from kit.streams import Entry, Malformed
from notification.catalog import AudienceKind, Catalog
from notification.intents.model import Intent, parse_intent
from notification.intents.storage import Accepted, IntentStorage
from notification.routes.model import NewRoute
from notification.routes.planning import RoutePlanner
from notification.routes.storage import RouteStorage
from notification.users.model import User

_log = get_logger("intents")


class Users(Protocol):
    """Who knows the users."""

    async def find_many(self, user_ids: Sequence[str]) -> dict[str, User | None]:
        """Return each user, None for an unknown one. Raises UserServiceUnavailable."""


@dataclass(frozen=True)
class _Prepared:
    intents: list[Intent]
    users: dict[str, User]


@dataclass(frozen=True)
class _Result:
    accepted: Accepted
    routes: int
    skipped_of_deleted: int


class IntentHandler:
    """Turns intents into records and routes, in the transaction that moves the offset on."""

    def __init__(
        self,
        catalog: Catalog,
        users: Users,
        planner: RoutePlanner,
        admin_addresses: Callable[[str], Sequence[str]],
        intents: IntentStorage,
        routes: RouteStorage,
        clock: Clock,
        wake: Callable[[], None],
        count_malformed: Callable[[], None],
    ) -> None:
        """`admin_addresses` gives the operators of a type; `wake` tells the publishers that something is due."""
        self._catalog = catalog
        self._users = users
        self._planner = planner
        self._admin_addresses = admin_addresses
        self._intents = intents
        self._routes = routes
        self._clock = clock
        self._wake = wake
        self._count_malformed = count_malformed

    async def prepare(self, entries: Sequence[Entry]) -> _Prepared:
        """Understand the entries and ask who their recipients are.

        Raises Malformed for the first that cannot be understood or names an unknown user, UserServiceUnavailable.
        """
        intents = [parse_intent(entry, self._catalog) for entry in entries]
        wanted = [
            user_id for intent in intents if intent.kind.channels for user_id in intent.recipient_user_ids
        ]
        found = await self._users.find_many(wanted) if wanted else {}
        known = {user_id: user for user_id, user in found.items() if user is not None}
        if len(known) != len(found):
            raise Malformed("recipient_user_ids: names a user that does not exist")
        return _Prepared(intents, known)

    async def handle(self, connection: Connection, _: Sequence[Entry], prepared: Any) -> _Result:
        """Insert records and routes; a deleted account's routes are skipped last, so that none of this batch stays open."""
        ready: _Prepared = prepared
        accepted = await self._intents.accept(connection, ready.intents)
        routes = [
            (record_id, route)
            for record_id, intent in accepted.new.items()
            for route in self._plan(intent, ready.users)
        ]
        await self._routes.insert(connection, routes)
        skipped = 0
        for intent in accepted.new.values():
            if intent.kind.ends_user:
                skipped += await self._routes.skip_user(connection, intent.payload["user_id"])
        return _Result(accepted, len(routes), skipped)

    def _plan(self, intent: Intent, users: dict[str, User]) -> list[NewRoute]:
        if intent.kind.audience is AudienceKind.ADMIN:
            return self._planner.for_admins(intent.kind, self._admin_addresses(intent.kind.name))
        return self._planner.for_users(intent.kind, intent.recipient_user_ids, users, self._clock.now())

    async def record_malformed(self, connection: Connection, entry: Entry, reason: str) -> None:
        """Keep a bad intent with its raw bytes and stream id."""
        notification_type, producer = (
            _readable(entry.fields.get(name)) for name in (b"notification_type", b"producer")
        )
        await self._intents.insert_malformed(
            connection, entry.id, entry.raw(), reason, notification_type, producer
        )
        self._count_malformed()
        _log.warning(
            "intent_malformed",
            stream_id=entry.id,
            reason=reason,
            notification_type=notification_type,
            producer=producer,
        )

    def committed(self, result: _Result) -> None:
        """Wake the publishers at once and write one line an intent."""
        if result.routes:
            self._wake()
        for record_id, intent in result.accepted.new.items():
            _log.info(
                "intent_accepted",
                record_id=record_id,
                notification_type=intent.kind.name,
                producer=intent.producer,
                audience_kind=intent.kind.audience.value,
                idempotency_key=intent.idempotency_key,
                stream_id=intent.stream_id,
                request_id=intent.request_id,
                trace_id=intent.trace_id,
            )
        for intent in result.accepted.conflicts:
            _log.warning(
                "intent_conflict",
                notification_type=intent.kind.name,
                producer=intent.producer,
                idempotency_key=intent.idempotency_key,
                stream_id=intent.stream_id,
            )
        if result.skipped_of_deleted:
            _log.info("routes_of_deleted_user_skipped", count=result.skipped_of_deleted)


def _readable(raw: bytes | None) -> str | None:
    if raw is None:
        return None
    return raw.decode("utf-8", "replace").replace("\x00", "\ufffd")[:100]
