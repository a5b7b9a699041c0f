"""From session snapshots to revocations. Only "revoked" counts: no snapshot brings a session back."""

from gateway.session_events.ports import Relookups, RevocationSink
from gateway.sessions.model import SessionStatus
from gateway.stream_tail.model import Id, TailEntry, format_id
from kit.ids import is_uuid
from kit.logs import get_logger

_log = get_logger("session_events")
_REASON = "session_snapshot"


class SessionEvents:
    """Takes what the tail reader reads (gateway.stream_tail.ports.TailHandler)."""

    def __init__(self, sink: RevocationSink, relookups: Relookups) -> None:
        self._sink = sink
        self._relookups = relookups

    def began(self, epoch: str, after: Id, *, gap: bool) -> None:
        """Have open sessions looked up again where revocations may be lost."""
        _log.info("session_events_began", epoch=epoch, after=format_id(after), gap=gap)
        if gap:
            self._relookups.request()

    def take(self, entry: TailEntry) -> None:
        """Revoke a session, let an active one be, drop what cannot be read."""
        try:
            device_session_id = entry.fields[b"device_session_id"].decode()
            user_id = entry.fields[b"user_id"].decode()
            status = SessionStatus(entry.fields[b"status"].decode())
        except (KeyError, ValueError) as error:
            self._sink.malformed(
                "session_events", format_id(entry.id), f"{type(error).__name__} in a snapshot"
            )
            return
        if not (is_uuid(device_session_id) and user_id):
            self._sink.malformed("session_events", format_id(entry.id), "an id is missing or no UUID")
            return
        if status is SessionStatus.REVOKED:
            self._sink.revoke_device_session(device_session_id, _REASON)

    def lost(self, count: int) -> None:
        """Note what was trimmed unread; `began` follows."""
        _log.error("session_events_lost", count=count)
