"""Lookups and revocations.

A lookup and a revocation can cross: the backend answers "active", the revocation arrives, then the answer is read. So
revocations are remembered by id for good (within a bound) and checked behind every answer, and those of a whole user are
told to each lookup under way. A revocation of a whole user is not remembered longer: the user may sign in again.
"""

from collections import OrderedDict
from collections.abc import Callable

from gateway.pipeline.errors import BackendUnavailable, NotAuthenticated
from gateway.pipeline.model import Passage, SignedRequest
from gateway.sessions.errors import SessionRevoked, SessionSourceUnavailable, SessionUnknown
from gateway.sessions.model import Session, SessionStatus
from gateway.sessions.ports import SessionSource


class Sessions:
    """The gateway's view of device sessions; it keeps no session, only tombstones."""

    def __init__(self, source: SessionSource, tombstones_max: int) -> None:
        self._source = source
        self._tombstones_max = tombstones_max
        self._tombstones: OrderedDict[str, None] = OrderedDict()
        self._lookups: set[_Lookup] = set()

    async def get(self, device_session_id: str) -> Session:
        """Look an active session up.

        Raises SessionRevoked, SessionUnknown, or SessionSourceUnavailable.
        """
        if device_session_id in self._tombstones:
            raise SessionRevoked
        lookup = _Lookup()
        self._lookups.add(lookup)
        try:
            session = await self._source.find(device_session_id)
        finally:
            self._lookups.discard(lookup)
        if session is None:
            raise SessionUnknown
        if session.status is SessionStatus.REVOKED or session.user_id in lookup.revoked_users:
            self.revoke(device_session_id)
        if device_session_id in self._tombstones:
            raise SessionRevoked
        return session

    def revoke(self, device_session_id: str) -> None:
        """Refuse this session from now on."""
        self._tombstones[device_session_id] = None
        self._tombstones.move_to_end(device_session_id)
        while len(self._tombstones) > self._tombstones_max:
            self._tombstones.popitem(last=False)

    def revoke_all_for_user(self, user_id: str) -> None:
        """Refuse every session of this user whose lookup is under way; later lookups see what the backend says."""
        for lookup in self._lookups:
            lookup.revoked_users.add(user_id)


class _Lookup:
    """One question under way, and the users revoked since it was asked."""

    def __init__(self) -> None:
        self.revoked_users: set[str] = set()


class SessionStage:
    """Second: the session exists and is active."""

    name = "session"

    def __init__(self, sessions: Sessions, spend_verification: Callable[[SignedRequest], None]) -> None:
        """`spend_verification` costs what a real verification costs, so that an unknown session is refused no sooner."""
        self._sessions = sessions
        self._spend_verification = spend_verification

    async def check(self, passage: Passage) -> None:
        """Raise NotAuthenticated, SessionRevoked or BackendUnavailable."""
        watch = passage.watch
        if watch is not None:
            watch.before_lookup(passage.request.device_session_id)
        try:
            session = await self._sessions.get(passage.request.device_session_id)
        except SessionUnknown as error:
            self._spend_verification(passage.request)
            raise NotAuthenticated from error
        except SessionSourceUnavailable as error:
            raise BackendUnavailable(retry_after_seconds=1) from error
        passage.looked_up = session
        if watch is not None:
            watch.found(session)
