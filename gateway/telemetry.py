"""Every metric of the gateway, declared once: name, unit, labels, meaning. Label values come from closed sets."""

from collections.abc import Callable, Iterable

from opentelemetry.metrics import CallbackOptions, Meter, Observation


class Metrics:
    """The instruments."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.edge_requests = meter.create_counter(
            "gateway.edge.requests", description="edge calls by `call` and final `status`"
        )
        self.edge_seconds = meter.create_histogram(
            "gateway.edge.duration", unit="s", description="time to answer ExecuteCommand, by `status`"
        )
        self.refusals = meter.create_counter(
            "gateway.pipeline.refusals", description="requests refused, by `stage` and `reason`"
        )
        self.connections_refused = meter.create_counter(
            "gateway.connections.refused", description="connections closed by the guard, by `reason`"
        )
        self.redis_seconds = meter.create_histogram(
            "gateway.redis.duration", unit="s", description="time of one replay operation, by `operation`"
        )
        self.replay_store_lost = meter.create_counter(
            "gateway.replay.store_lost", description="times the replay store was found empty while running"
        )
        self.events_published = meter.create_counter(
            "gateway.push.events_published", description="events that entered the hub, by `lane`"
        )
        self.events_delivered = meter.create_counter(
            "gateway.push.events_delivered", description="events queued for a stream, by `lane`"
        )
        self.events_malformed = meter.create_counter(
            "gateway.push.events_malformed", description="entries dropped as malformed, by `source`"
        )
        self.resyncs = meter.create_counter(
            "gateway.push.resyncs",
            description="times a lane had a gap that all streams were told of, by `lane`",
        )
        self.streams_closed = meter.create_counter(
            "gateway.push.streams_closed", description="event streams that ended, by `reason`"
        )
        self.subscription_losses = meter.create_counter(
            "gateway.backend_push.losses",
            description="times the subscription to the backend ended, by `status`",
        )
        self.client_events_lost = meter.create_counter(
            "gateway.client_events.lost", description="stream entries trimmed before they were read"
        )

    def observe(self, name: str, description: str, read: Callable[[], int]) -> None:
        """Declare a gauge that is read when metrics are collected."""

        def callback(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(read())]

        self._meter.create_observable_gauge(name, [callback], description=description)
