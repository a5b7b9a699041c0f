"""The notification service's metrics, all of them.

| name | unit | labels | meaning |
| --- | --- | --- | --- |
| `notification.route_schedule.depth` | 1 | channel | routes that wait to be published or are being published |
| `notification.route_schedule.oldest_age_ms` | ms | channel | age of the oldest of them |
| `notification.intent_stream.oldest_unprocessed_age_ms` | ms | | age of the oldest intent not yet handled |
| `notification.intent_stream.lost` | 1 | | intents that Redis lost before they were read |
| `notification.intents.malformed` | 1 | | intents that nobody could understand |
| `notification.route.published` | 1 | channel | routes that their stream took over |
| `notification.route.failed` | 1 | channel, classification | attempts refused for now |
| `notification.route.dead_letters` | 1 | channel, classification | routes given up |
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from kit.logs import get_logger
from kit.outbox import LaneStorage
from kit.postgres import PostgresUnavailable
from kit.tasks import raise_if_cancelled
from notification.catalog import Channel

_log = get_logger("telemetry")
_GAUGE_SECONDS = 5.0


class ChannelMetrics:
    """Counts one channel, as kit.outbox reports it."""

    def __init__(self, metrics: "Metrics", channel: Channel) -> None:
        self._metrics = metrics
        self._channel = {"channel": channel.value}

    def delivered(self, count: int) -> None:
        """Count routes that their stream took over."""
        self._metrics.published.add(count, self._channel)

    def retried(self, classification: str) -> None:
        """Count an attempt that will be tried again."""
        self._metrics.failed.add(1, {**self._channel, "classification": classification})

    def dead_lettered(self, classification: str) -> None:
        """Count a route given up."""
        self._metrics.dead_letters.add(1, {**self._channel, "classification": classification})


class Metrics:
    """Declares the instruments; the gauges show what `ScheduleGauges` read last."""

    def __init__(self, meter: Meter) -> None:
        self.depths: dict[str, tuple[int, int]] = {}
        self.stream_age_ms: Callable[[], int] = lambda: 0
        self.published = meter.create_counter("notification.route.published")
        self.failed = meter.create_counter("notification.route.failed")
        self.dead_letters = meter.create_counter("notification.route.dead_letters")
        self.malformed = meter.create_counter("notification.intents.malformed")
        self.stream_lost = meter.create_counter("notification.intent_stream.lost")
        meter.create_observable_gauge("notification.route_schedule.depth", [self._depth])
        meter.create_observable_gauge("notification.route_schedule.oldest_age_ms", [self._age], unit="ms")
        meter.create_observable_gauge(
            "notification.intent_stream.oldest_unprocessed_age_ms", [self._stream_age], unit="ms"
        )

    def _depth(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(depth, {"channel": name}) for name, (depth, _age) in self.depths.items()]

    def _age(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(age, {"channel": name}) for name, (_depth, age) in self.depths.items()]

    def _stream_age(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(self.stream_age_ms())]


class ScheduleGauges:
    """Reads the depth of each channel every few seconds, so that exporters never touch the database."""

    name = "schedule_gauges"

    def __init__(self, metrics: Metrics, lanes: Mapping[Channel, LaneStorage]) -> None:
        self._metrics = metrics
        self._lanes = lanes

    async def run(self, started: Callable[[], None]) -> None:
        """Read until cancelled; Postgres being away keeps the last figures."""
        started()
        while True:
            raise_if_cancelled()
            try:
                for channel, storage in self._lanes.items():
                    self._metrics.depths[channel.value] = await storage.depth()
            except PostgresUnavailable as error:
                _log.debug("gauges_not_read", reason=str(error))
            await asyncio.sleep(_GAUGE_SECONDS)
