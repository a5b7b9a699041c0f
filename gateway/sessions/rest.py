"""Looking sessions up in the backend over its internal HTTP calls."""

import base64
import binascii
from datetime import datetime
from typing import Any

from gateway.sessions.errors import SessionSourceUnavailable
from gateway.sessions.model import Session, SessionStatus
from kit.logs import get_logger
from kit.rest_client import PeerUnavailable, RestClient

_log = get_logger("sessions")
_KEY_BYTES = 32


class BackendSessions:
    """One GET for one question."""

    def __init__(self, backend: RestClient) -> None:
        self._backend = backend

    async def find(self, device_session_id: str) -> Session | None:
        """Return the session as the backend has it now, or None. Raises SessionSourceUnavailable."""
        try:
            answer = await self._backend.call("GET", f"/api/v1/internal/sessions/{device_session_id}")
            if answer.ok:
                return _session(answer.json())
        except PeerUnavailable as error:
            raise SessionSourceUnavailable(str(error)) from error
        if answer.status == 404 and answer.error_code == "session.not_found":
            return None
        # A wrong token, a wrong address, a defect of the backend: none of them is the client's fault.
        _log.error("session_lookup_failed", status=answer.status, code=answer.error_code)
        raise SessionSourceUnavailable(f"status {answer.status}")


class NoSessions:
    """Stands where no backend is configured: every question ends in SessionSourceUnavailable."""

    async def find(self, device_session_id: str) -> Session | None:
        """Raise SessionSourceUnavailable."""
        raise SessionSourceUnavailable(f"no backend is configured to ask for {device_session_id}")


def _session(body: Any) -> Session:
    try:
        session = Session(
            str(body["device_session_id"]),
            str(body["user_id"]),
            SessionStatus(body["status"]),
            base64.b64decode(body["client_public_key"], validate=True),
            datetime.fromisoformat(body["created_at"]),
        )
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise _malformed(str(error)) from error
    if len(session.client_public_key) != _KEY_BYTES:
        raise _malformed(f"a public key of {len(session.client_public_key)} bytes")
    if session.created_at.tzinfo is None:
        raise _malformed("created_at without its zone")
    return session


def _malformed(problem: str) -> SessionSourceUnavailable:
    _log.error("session_snapshot_malformed", problem=problem)
    return SessionSourceUnavailable("the backend sent a malformed session")
