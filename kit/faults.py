"""Named points at which a test may hold a process in order to kill it there.

A part that promises something about a kill between two effects receives a `Faults` and awaits `reach("…")` between them.
In service nothing is armed and the call costs one comparison. A process is armed by its `__main__` alone, from
`<SERVICE>_FAULT_POINT` = `point:/path/of/marker` or `point:/path/of/marker:n`: at the n-th arrival (from 1) the marker
file is written and the process waits there until it is killed.
"""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from kit.logs import get_logger
from kit.settings import SettingsError

_log = get_logger("faults")


@dataclass(frozen=True)
class ArmedFault:
    """The one point that holds, and how a test learns that it was reached."""

    point: str
    marker: Path
    arrival: int = 1
    """Which arrival holds, from 1."""


class Faults:
    """The process's fault points; with nothing armed (the default) each is a no-op."""

    def __init__(self, armed: ArmedFault | None = None) -> None:
        self._armed = armed
        self._arrivals = 0

    @staticmethod
    def from_environment(service: str) -> "Faults":
        """Read `<SERVICE>_FAULT_POINT`; for `__main__` only. Raises SettingsError when it is malformed."""
        variable = f"{service.upper()}_FAULT_POINT"
        text = os.environ.get(variable, "")
        if not text:
            return Faults()
        point, _, rest = text.partition(":")
        marker, _, arrival = rest.partition(":")
        if not point or not marker or (arrival and not (arrival.isdecimal() and int(arrival) > 0)):
            raise SettingsError(f"{variable}: write point:/path/of/marker or point:/path/of/marker:arrival")
        _log.warning("fault_point_armed", point=point, marker=marker)
        return Faults(ArmedFault(point, Path(marker), int(arrival or 1)))

    def is_armed(self, point: str) -> bool:
        """Tell whether `point` holds, for parts that must make room for it first."""
        return self._armed is not None and self._armed.point == point

    async def reach(self, point: str) -> None:
        """Tell that `point` is reached. Where it is armed: write the marker and wait for the kill."""
        armed = self._armed
        if armed is None or armed.point != point:
            return
        self._arrivals += 1
        if self._arrivals != armed.arrival:
            return
        draft = armed.marker.with_name(armed.marker.name + ".part")
        draft.write_text(f"{os.getpid()} {point}\n")
        draft.replace(armed.marker)
        _log.warning("fault_point_reached", point=point)
        await asyncio.Event().wait()
