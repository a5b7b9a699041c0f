"""The mail service's metrics, all of them.

| name | unit | labels | meaning |
| --- | --- | --- | --- |
| `mail.delivery.depth` | 1 | lane | deliveries that wait or are being sent |
| `mail.delivery.oldest_age_ms` | ms | lane | age of the oldest of them |
| `mail.command_stream.oldest_unprocessed_age_ms` | ms | | age of the oldest command not yet handled |
| `mail.command_stream.lost` | 1 | | commands that Redis lost before they were read |
| `mail.commands.malformed` | 1 | | commands that nobody could understand |
| `mail.delivery.sent` | 1 | lane | mails that the relay took over |
| `mail.delivery.retried` | 1 | lane, classification | attempts refused for now or without a known outcome |
| `mail.delivery.dead_letters` | 1 | lane, classification | deliveries given up |
| `mail.delivery.suppressed` | 1 | lane | deliveries ended unsent |
| `mail.smtp.send_duration_ms` | ms | lane | time of one send, from its free connection to the relay's last answer |
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from kit.logs import get_logger
from kit.outbox import LaneStorage
from kit.postgres import PostgresUnavailable
from kit.tasks import raise_if_cancelled
from mail.deliveries.model import LaneName

_log = get_logger("telemetry")
_GAUGE_SECONDS = 5.0


class LaneMetrics:
    """Counts one lane; fits both the outbox's and the transport's observer."""

    def __init__(self, metrics: "Metrics", lane: LaneName) -> None:
        self._metrics = metrics
        self._lane = {"lane": lane.value}

    def delivered(self, count: int) -> None:
        """Count mails that the relay took over."""
        self._metrics.sent.add(count, self._lane)

    def retried(self, classification: str) -> None:
        """Count an attempt that will be tried again."""
        self._metrics.retries.add(1, {**self._lane, "classification": classification})

    def dead_lettered(self, classification: str) -> None:
        """Count a delivery given up."""
        self._metrics.dead_letters.add(1, {**self._lane, "classification": classification})

    def suppressed(self) -> None:
        """Count a delivery ended unsent."""
        self._metrics.suppressions.add(1, self._lane)

    def took(self, seconds: float) -> None:
        """Count the time of one send."""
        self._metrics.durations.record(seconds * 1000, self._lane)


class Metrics:
    """Declares the instruments; the gauges show what `LaneGauges` read last."""

    def __init__(self, meter: Meter) -> None:
        self.depths: dict[str, tuple[int, int]] = {}
        self.stream_age_ms: Callable[[], int] = lambda: 0
        self.sent = meter.create_counter("mail.delivery.sent")
        self.retries = meter.create_counter("mail.delivery.retried")
        self.dead_letters = meter.create_counter("mail.delivery.dead_letters")
        self.suppressions = meter.create_counter("mail.delivery.suppressed")
        self.malformed = meter.create_counter("mail.commands.malformed")
        self.stream_lost = meter.create_counter("mail.command_stream.lost")
        self.durations = meter.create_histogram("mail.smtp.send_duration_ms", unit="ms")
        meter.create_observable_gauge("mail.delivery.depth", [self._depth])
        meter.create_observable_gauge("mail.delivery.oldest_age_ms", [self._oldest_age], unit="ms")
        meter.create_observable_gauge(
            "mail.command_stream.oldest_unprocessed_age_ms", [self._stream_age], unit="ms"
        )

    def _depth(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(depth, {"lane": lane}) for lane, (depth, _age) in self.depths.items()]

    def _oldest_age(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(age, {"lane": lane}) for lane, (_depth, age) in self.depths.items()]

    def _stream_age(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(self.stream_age_ms())]


class LaneGauges:
    """Reads the depth of each lane every few seconds, so that exporters never touch the database."""

    name = "lane_gauges"

    def __init__(self, metrics: Metrics, lanes: Mapping[LaneName, LaneStorage]) -> None:
        self._metrics = metrics
        self._lanes = lanes

    async def run(self, started: Callable[[], None]) -> None:
        """Read until cancelled; Postgres being away keeps the last figures."""
        started()
        while True:
            raise_if_cancelled()
            try:
                for lane, storage in self._lanes.items():
                    self._metrics.depths[lane.value] = await storage.depth()
            except PostgresUnavailable as error:
                _log.debug("gauges_not_read", reason=str(error))
            await asyncio.sleep(_GAUGE_SECONDS)
