"""Events that the gateway itself makes: they have no cursor and are never replayed."""

from gateway.push.model import HEARTBEAT, RESYNC_REQUIRED, SERVER_TIME, Lane, PushEvent
from kit.clock import Clock, unix_ms
from kit.ids import NewId
from kit.rest import dumps


class GatewayEvents:
    """Makes them with this process's clock and ids."""

    def __init__(self, clock: Clock, new_id: NewId) -> None:
        self._clock = clock
        self._new_id = new_id

    def server_time(self, user_id: str) -> PushEvent:
        """Return the first event of a stream."""
        now_ms = unix_ms(self._clock.now())
        return self._make(user_id, SERVER_TIME, now_ms, dumps({"server_time_ms": now_ms}))

    def heartbeat(self, user_id: str) -> PushEvent:
        """Return a sign of life."""
        return self._make(user_id, HEARTBEAT, unix_ms(self._clock.now()), b"{}")

    def resync_required(self, user_id: str, lane: Lane) -> PushEvent:
        """Return the announcement that events of a lane may be missing: the client should look everything up again."""
        now_ms = unix_ms(self._clock.now())
        event = self._make(user_id, RESYNC_REQUIRED, now_ms, dumps({"lane": lane.value}))
        event.about_lane = lane
        return event

    def _make(self, user_id: str, event_type: str, now_ms: int, payload: bytes) -> PushEvent:
        return PushEvent(user_id, event_type, self._new_id(), now_ms, payload)
