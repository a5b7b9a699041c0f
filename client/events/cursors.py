"""Where a reader stands in each lane, and what it has already seen."""

import json
from collections import OrderedDict
from collections.abc import Mapping

from client.events.model import RESYNC_REQUIRED, Event

# More than a gateway's whole history of a user: a resumed stream cannot repeat anything older.
_REMEMBERED_IDS = 1024


class Cursors:
    """The newest cursor of each lane, and the ids of the latest events."""

    def __init__(self, start: Mapping[str, str] | None = None) -> None:
        self._by_lane = dict(start or {})
        self._seen: OrderedDict[str, None] = OrderedDict()

    def is_repeat(self, event: Event) -> bool:
        """Tell whether this very event was passed on before, on this stream or an earlier one."""
        return event.event_id in self._seen

    def passed_on(self, event: Event) -> None:
        """Move on behind an event that the caller has dealt with."""
        if event.event_type == RESYNC_REQUIRED:
            # What the cursor pointed at is gone; the next connection begins that lane now.
            self._by_lane.pop(str(event.payload.get("lane", "")), None)
        elif event.cursor:
            self._by_lane[event.lane] = event.cursor
        self._seen[event.event_id] = None
        if len(self._seen) > _REMEMBERED_IDS:
            self._seen.popitem(last=False)

    def by_lane(self) -> dict[str, str]:
        """Return the cursors, one a lane, for keeping."""
        return dict(self._by_lane)

    def payload(self) -> bytes:
        """Return the subscription's payload: resume behind these cursors, or begin now."""
        if not self._by_lane:
            return b""
        resume_after = [{"lane": lane, "cursor": cursor} for lane, cursor in sorted(self._by_lane.items())]
        return json.dumps({"resume_after": resume_after}, separators=(",", ":")).encode()
