"""Where every source of events and revocations ends: the one writer of the hub."""

from gateway.push.hub import PushHub
from gateway.push.model import Cursor, PushEvent
from gateway.sessions.service import Sessions
from gateway.telemetry import Metrics
from kit.logs import get_logger

_log = get_logger("push_dispatcher")


class Dispatcher:
    """Carries frames of the backend and entries of Redis streams into the hub, and revocations to the sessions as well."""

    def __init__(self, hub: PushHub, sessions: Sessions, metrics: Metrics) -> None:
        self._hub = hub
        self._sessions = sessions
        self._metrics = metrics

    def lane_began(self, start: Cursor, *, gap: bool) -> None:
        """Hear that a lane begins at a position; with `gap` something before it may be lost."""
        _log.info(
            "push_lane_began", lane=start.lane, epoch=start.epoch, position=list(start.position), gap=gap
        )
        if gap:
            self._metrics.resyncs.add(1, {"lane": start.lane.value})
        self._hub.begin_lane(start, gap=gap)

    def publish(self, event: PushEvent) -> None:
        """Hand an event to the hub."""
        assert event.cursor is not None
        streams = self._hub.publish(event)
        lane = {"lane": event.cursor.lane.value}
        self._metrics.events_published.add(1, lane)
        self._metrics.events_delivered.add(streams, lane)
        _log.info(
            "push_event_dispatched",
            event_type=event.event_type,
            event_id=event.event_id,
            user_id=event.user_id,
            device_session_id=event.device_session_id,
            cursor=str(event.cursor),
            streams=streams,
        )

    def malformed(self, source: str, position: str, problem: str) -> None:
        """Hear of an entry that was dropped, from whichever source."""
        self._metrics.events_malformed.add(1, {"source": source})
        _log.warning("push_event_malformed", source=source, position=position, problem=problem)

    def revoke_device_session(self, device_session_id: str, reason: str) -> None:
        """End a session here: its streams now, its commands from now on."""
        self._sessions.revoke(device_session_id)
        streams = self._hub.revoke_device_session(device_session_id, reason)
        _log.info(
            "push_session_invalidated", device_session_id=device_session_id, reason=reason, streams=streams
        )

    def revoke_all_for_user(self, user_id: str, reason: str) -> None:
        """End all sessions that a user has here."""
        self._sessions.revoke_all_for_user(user_id)
        ended = self._hub.revoke_all_for_user(user_id, reason)
        for device_session_id in ended:
            self._sessions.revoke(device_session_id)
        _log.info("push_user_invalidated", user_id=user_id, reason=reason, sessions=ended)
