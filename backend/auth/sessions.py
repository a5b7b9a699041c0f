"""Device sessions: the cache `auth`, looking up, listing, ending."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from backend.auth import storage
from backend.auth.errors import SessionNotFound
from backend.auth.model import DeviceSession, SessionStatus
from backend.cache import TableCache
from backend.leadership.ports import Transactions
from backend.outbox.model import SessionEvent
from backend.outbox.ports import Outbox
from backend.push.model import Invalidation, InvalidationReason
from backend.push.ports import PushRing
from backend.telemetry import AuthMetrics
from kit.clock import Clock, rfc3339
from kit.logs import get_logger
from kit.postgres import Connection, PostgresUnavailable

_log = get_logger("auth")
_IDLE_AT_ONCE = 500
_NOTES_MAX = 100_000


class SessionCache(TableCache[str, DeviceSession]):
    """Device sessions by id and by user."""

    def __init__(self) -> None:
        super().__init__("auth", lambda session: session.device_session_id)
        self._by_user: dict[str, set[str]] = {}

    def put(self, row: DeviceSession) -> None:
        """Keep a committed session, unless a later version of it is kept already."""
        super().put(row)
        self._by_user.setdefault(row.user_id, set()).add(row.device_session_id)

    def remove(self, key: str) -> None:
        """Forget a session whose deletion was committed."""
        known = self.find(key)
        super().remove(key)
        if known is not None:
            theirs = self._by_user[known.user_id]
            theirs.discard(key)
            if not theirs:
                del self._by_user[known.user_id]

    def of_user(self, user_id: str) -> list[DeviceSession]:
        """Return every session of a user, newest first."""
        found = [session for i in self._by_user.get(user_id, ()) if (session := self.find(i)) is not None]
        return sorted(found, key=lambda session: session.device_session_id, reverse=True)

    def clear(self) -> None:
        """Drop everything."""
        super().clear()
        self._by_user.clear()


@dataclass(frozen=True)
class Ended:
    """Sessions that are over by a transaction; `announce` once it has committed.

    Besides those that it `count`s as ended by itself it may hold older ones: the answer to the commit that ended them may
    have been lost, and then nobody was told.
    """

    owner: "DeviceSessions"
    sessions: Sequence[DeviceSession]
    count: int

    def announce(self) -> None:
        """Write them through the cache and tell the gateways."""
        self.owner.announce(self.sessions)


class DeviceSessions:
    """All that happens to a session after sign-in made it."""

    def __init__(
        self,
        transactions: Transactions,
        outbox: Outbox,
        push_ring: PushRing,
        clock: Clock,
        metrics: AuthMetrics,
        idle: timedelta,
        note_interval: timedelta,
    ) -> None:
        """`idle`: a session unused for so long is over. `note_interval`: how often its use is written down at most."""
        self._transactions = transactions
        self._outbox = outbox
        self._push_ring = push_ring
        self._clock = clock
        self._metrics = metrics
        self._idle = idle
        self._note_interval = note_interval
        self._used_at: dict[str, datetime] = {}
        self.cache = SessionCache()

    async def warm(self) -> None:
        """Read the whole table into the cache."""
        async with self._transactions.read() as connection:
            await self.cache.load(lambda: storage.list_sessions(connection))

    async def reload(self) -> None:
        """Read the table over the cache, and tell the gateways of sessions that ended without their knowing."""
        async with self._transactions.read() as connection:
            stored = await storage.list_sessions(connection)
        self.announce(session for session in stored if session.status is SessionStatus.REVOKED)
        for session in stored:
            self.cache.put(session)

    def look_up(self, device_session_id: str) -> DeviceSession:
        """Return the session as it stands now, and note its use. Raises SessionNotFound.

        One that has been idle for too long is shown as revoked, also before the keeper has written that down.
        """
        session = self.cache.find(device_session_id)
        if session is None:
            raise SessionNotFound
        now = self._clock.now()
        if session.serves(now, self._idle):
            self._note_use(session, now)
            return session
        if session.status is SessionStatus.REVOKED:
            return session
        return replace(
            session,
            status=SessionStatus.REVOKED,
            revoked_at=session.idle_ends_at(self._idle),
            revoked_reason=InvalidationReason.EXPIRED.value,
        )

    def of_user(self, user_id: str) -> list[DeviceSession]:
        """Return the sessions of a user that may be served, newest first."""
        now = self._clock.now()
        return [session for session in self.cache.of_user(user_id) if session.serves(now, self._idle)]

    async def rename(self, user_id: str, device_session_id: str, name: str) -> DeviceSession:
        """Rename one's own session. Raises SessionNotFound."""
        async with self._transactions.write() as connection:
            renamed = await storage.rename_session(connection, device_session_id, user_id, name)
        if renamed is None:
            raise SessionNotFound
        self.cache.put(renamed)
        return renamed

    async def revoke(
        self, device_session_id: str, reason: InvalidationReason, *, of_user: str | None = None
    ) -> DeviceSession:
        """End a session; again is the same. Raises SessionNotFound, also where it is not `of_user`'s."""
        known = self.cache.find(device_session_id)
        if known is None or (of_user is not None and known.user_id != of_user):
            raise SessionNotFound
        async with self._transactions.write() as connection:
            ended = await storage.end_session(connection, device_session_id, self._clock.now(), reason)
            if ended is not None:
                await self._record(connection, [ended])
            else:
                ended = await storage.get_session(connection, device_session_id)
        self.announce([ended])
        return ended

    async def revoke_all(self, user_id: str, reason: InvalidationReason) -> int:
        """End every session of a user; return how many were not over yet."""
        async with self._transactions.write() as connection:
            ended = await self.end_all(connection, user_id, reason)
        ended.announce()
        return ended.count

    async def end_all(self, connection: Connection, user_id: str, reason: InvalidationReason) -> Ended:
        """End every session of a user inside the caller's transaction."""
        sessions = await storage.end_all(connection, user_id, self._clock.now(), reason)
        await self._record(connection, sessions)
        over = await self.over_of(connection, user_id)
        return Ended(self, over.sessions, len(sessions))

    async def over_of(self, connection: Connection, user_id: str) -> Ended:
        """Return the sessions of a user that are over already, ending none."""
        stored = await storage.list_sessions_of(connection, user_id)
        return Ended(self, [session for session in stored if session.status is SessionStatus.REVOKED], 0)

    async def end_all_for_deletion(self, connection: Connection, user_id: str) -> Ended:
        """End every session of a user who leaves, inside the caller's transaction."""
        return await self.end_all(connection, user_id, InvalidationReason.REVOKED_BY_USER)

    async def begun(self, connection: Connection, session: DeviceSession, keep: int) -> Ended:
        """Record a new session and end the longest unused beyond `keep`, inside the caller's transaction."""
        surplus = await storage.end_surplus(
            connection, session.user_id, keep, session.created_at, InvalidationReason.TOO_MANY_SESSIONS
        )
        await self._record(connection, [session, *surplus])
        return Ended(self, surplus, len(surplus))

    async def export(self, connection: Connection, user_id: str) -> Sequence[dict[str, Any]]:
        """Return a user's sessions as JSON values."""
        return [
            {
                "device_session_id": session.device_session_id,
                "device_name": session.device_name,
                "country": session.country,
                "status": session.status.value,
                "created_at": rfc3339(session.created_at),
                "last_used_at": rfc3339(session.last_used_at),
                "revoked_at": rfc3339(session.revoked_at) if session.revoked_at else None,
            }
            for session in await storage.list_sessions_of(connection, user_id)
        ]

    def announce(self, ended: Iterable[DeviceSession]) -> None:
        """Write ended sessions through the cache and tell the gateways, once for each; after the commit."""
        for session in ended:
            known = self.cache.find(session.device_session_id)
            if known is not None and known.status is SessionStatus.REVOKED:
                continue
            reason = InvalidationReason(session.revoked_reason or InvalidationReason.EXPIRED)
            self.cache.put(session)
            self._used_at.pop(session.device_session_id, None)
            self._push_ring.invalidate(Invalidation(reason, device_session_id=session.device_session_id))
            self._metrics.ended(reason.value)
            _log.info(
                "session_ended",
                device_session_id=session.device_session_id,
                user_id=session.user_id,
                reason=reason.value,
            )

    async def end_idle(self) -> int:
        """End sessions that nobody used for too long; return how many."""
        total = 0
        while True:
            now = self._clock.now()
            async with self._transactions.write() as connection:
                ended = await storage.end_idle(connection, now - self._idle, now, _IDLE_AT_ONCE)
                await self._record(connection, ended)
            self.announce(ended)
            total += len(ended)
            if len(ended) < _IDLE_AT_ONCE:
                return total

    async def forget_over(self, retention: timedelta, limit: int) -> int:
        """Delete up to `limit` sessions that ended longer ago than that; return how many.

        Their revocation stays final: to everybody they are sessions that never were, and no such session is served.
        """
        async with self._transactions.write() as connection:
            gone = await storage.forget_sessions(connection, self._clock.now() - retention, limit)
        for device_session_id in gone:
            self.cache.remove(device_session_id)
        return len(gone)

    async def write_notes(self) -> int:
        """Write down which sessions were used since the last time; return how many."""
        if not self._used_at:
            return 0
        notes, self._used_at = self._used_at, {}
        try:
            async with self._transactions.write() as connection:
                noted = await storage.note_use(connection, notes)
        except PostgresUnavailable:
            self._used_at = notes | self._used_at
            raise
        for session in noted:
            self.cache.put(session)
        return len(noted)

    def _note_use(self, session: DeviceSession, now: datetime) -> None:
        known = self._used_at.get(session.device_session_id, session.last_used_at)
        if now - known >= self._note_interval and len(self._used_at) < _NOTES_MAX:
            self._used_at[session.device_session_id] = now

    async def _record(self, connection: Connection, sessions: Iterable[DeviceSession]) -> None:
        for session in sessions:
            event = SessionEvent(
                session.device_session_id,
                session.user_id,
                session.status.value,
                session.revoked_at,
                session.version,
            )
            await self._outbox.add_session_event(connection, event)
