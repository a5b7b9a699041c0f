"""Every metric of the backend: name, unit, labels, meaning. Runbooks quote these names."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable

from opentelemetry.metrics import CallbackOptions, Counter, Observation

from kit.telemetry import Telemetry


class PushMetrics:
    """The push lane."""

    def __init__(self, telemetry: Telemetry) -> None:
        meter = telemetry.meter
        self._events = meter.create_counter(
            "grpc_push_events_total",
            unit="1",
            description="frames sent to gateways; kind: client_event, session_invalidation or resync",
        )
        self._streams = meter.create_up_down_counter(
            "grpc_push_streams", unit="1", description="open gateway subscriptions"
        )
        self._closed = meter.create_counter(
            "grpc_push_streams_closed_total",
            unit="1",
            description="ended subscriptions; reason: replaced, overflowed, stalled, shutdown or client",
        )

    def sent(self, kind: str, count: int = 1) -> None:
        """Count frames."""
        self._events.add(count, {"kind": kind})

    def opened(self) -> None:
        """Count a subscription in."""
        self._streams.add(1)

    def closed(self, reason: str) -> None:
        """Count a subscription out."""
        self._streams.add(-1)
        self._closed.add(1, {"reason": reason})


class OutboxMetrics:
    """The lanes of the outbox."""

    def __init__(self, telemetry: Telemetry) -> None:
        meter = telemetry.meter
        self._delivered = meter.create_counter(
            "outbox_published_total", unit="1", description="rows handed over to Redis; label lane"
        )
        self._retried = meter.create_counter(
            "outbox_refused_total",
            unit="1",
            description="refusals that will be tried again; labels lane, classification",
        )
        self._dead = meter.create_counter(
            "outbox_dead_letters_total", unit="1", description="dead letters; labels lane, classification"
        )

    def of_lane(self, lane: str) -> "LaneMetrics":
        """Return the observer of one lane's worker."""
        return LaneMetrics(lane, self._delivered, self._retried, self._dead)


class LaneMetrics:
    """One lane; a kit `Observer`."""

    def __init__(self, lane: str, delivered: Counter, retried: Counter, dead: Counter) -> None:
        self._lane = lane
        self._delivered = delivered
        self._retried = retried
        self._dead = dead

    def delivered(self, count: int) -> None:
        """Count rows handed over."""
        self._delivered.add(count, {"lane": self._lane})

    def retried(self, classification: str) -> None:
        """Count a refusal."""
        self._retried.add(1, {"lane": self._lane, "classification": classification})

    def dead_lettered(self, classification: str) -> None:
        """Count a dead letter."""
        self._dead.add(1, {"lane": self._lane, "classification": classification})


class DepthGauges:
    """What waits in each lane, as the monitor last saw it."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._seen: dict[str, tuple[int, int]] = {}
        meter = telemetry.meter
        meter.create_observable_gauge(
            "outbox_depth", [self._depths], unit="1", description="rows that wait; label lane"
        )
        meter.create_observable_gauge(
            "outbox_oldest_age_ms",
            [self._ages],
            unit="ms",
            description="age of the oldest waiting row; label lane",
        )

    def saw(self, lane: str, depth: int, oldest_age_ms: int) -> None:
        """Keep the latest look at a lane."""
        self._seen[lane] = (depth, oldest_age_ms)

    def _depths(self, _: CallbackOptions) -> list[Observation]:
        return [Observation(depth, {"lane": lane}) for lane, (depth, _age) in self._seen.items()]

    def _ages(self, _: CallbackOptions) -> list[Observation]:
        return [Observation(age, {"lane": lane}) for lane, (_depth, age) in self._seen.items()]


class AuthMetrics:
    """Sign-in."""

    def __init__(self, telemetry: Telemetry) -> None:
        meter = telemetry.meter
        self._codes = meter.create_counter(
            "auth_codes_total", unit="1", description="codes asked for; outcome: sent or limited"
        )
        self._confirmations = meter.create_counter(
            "auth_confirmations_total",
            unit="1",
            description="codes presented; outcome: signed_in, registered, repeated, wrong or over",
        )
        self._revocations = meter.create_counter(
            "auth_sessions_ended_total", unit="1", description="device sessions ended; label reason"
        )

    def code(self, outcome: str) -> None:
        """Count a request for a code."""
        self._codes.add(1, {"outcome": outcome})

    def confirmation(self, outcome: str) -> None:
        """Count a presented code."""
        self._confirmations.add(1, {"outcome": outcome})

    def ended(self, reason: str, count: int = 1) -> None:
        """Count ended sessions."""
        self._revocations.add(count, {"reason": reason})


class GameMetrics:
    """Turns and engines."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._meter = telemetry.meter
        self._turns = self._meter.create_counter(
            "game_turns_total",
            unit="1",
            description="tries to generate a turn; outcome: published, not_due, tick_skipped, put_off, failed or paused",
        )
        self._turn_ms = self._meter.create_histogram(
            "game_turn_duration_ms",
            unit="ms",
            description="from the first look at the engine to the publication",
        )
        self._moves = self._meter.create_counter(
            "game_deadline_moves_total",
            unit="1",
            description="deadlines put back; reason: platform_down, engines_away or tick_skipped",
        )
        self._operations = self._meter.create_counter(
            "runtime_operations_total",
            unit="1",
            description="operations on engines; kind as in the operation log, outcome: succeeded or failed",
        )

    def turn(self, outcome: str, duration_ms: float) -> None:
        """Count a try; the time counts where it was published."""
        self._turns.add(1, {"outcome": outcome})
        if outcome == "published":
            self._turn_ms.record(duration_ms)

    def deadline_moved(self, reason: str) -> None:
        """Count a deadline that went back."""
        self._moves.add(1, {"reason": reason})

    def operation(self, kind: str, outcome: str) -> None:
        """Count an operation that ended."""
        self._operations.add(1, {"kind": kind, "outcome": outcome})

    def watch_engines(self, statuses: Callable[[], Iterable[str]]) -> None:
        """Show how many games' engines are in each status: starting, running, crashed, failed or stopped."""

        def observe(_: CallbackOptions) -> list[Observation]:
            return [Observation(count, {"status": status}) for status, count in Tally(statuses()).items()]

        self._meter.create_observable_gauge(
            "runtime_engines", [observe], unit="1", description="engines of games; label status"
        )
