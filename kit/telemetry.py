"""Traces and metrics: OpenTelemetry, exported by OTLP, to stdout, to Prometheus, or not at all.

Each service declares its instruments in its own `telemetry.py`; this module only sets the providers up and flushes them.
"""

import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import structlog
from opentelemetry import metrics, propagate, trace
from opentelemetry.context import Context
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    ConsoleMetricExporter,
    MetricReader,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import Field

from kit.settings import Group

_TRACE_ID = re.compile(r"[0-9a-f]{32}")

TracesExporter = Literal["otlp", "none", "stdout"]
MetricsExporter = Literal["otlp", "none", "stdout", "prometheus"]


class OtelSettings(Group):
    """Where traces and metrics go; the collector's address is OpenTelemetry's own OTEL_EXPORTER_OTLP_ENDPOINT."""

    traces_exporter: TracesExporter = Field("otlp", description="traces: otlp, none or stdout")
    metrics_exporter: MetricsExporter = Field("otlp", description="metrics: otlp, none, stdout or prometheus")
    prometheus_listen_addr: str = Field(
        "", description="own listener for /metrics with the prometheus exporter; empty: off"
    )


class Telemetry:
    """The process's tracer and meter providers; `close` flushes them within their exporters' own limits."""

    def __init__(self, service: str, settings: OtelSettings, *, scrape: bool = False) -> None:
        """Set the global providers up. `scrape` keeps a Prometheus registry whatever the exporter is."""
        resource = Resource.create({"service.name": service, "service.namespace": "galaxy"})
        self.registry = CollectorRegistry()
        readers: list[MetricReader] = []
        if scrape or settings.metrics_exporter == "prometheus":
            readers.append(PrometheusMetricReader(registry=self.registry))
        if settings.metrics_exporter == "otlp":
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

            readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
        elif settings.metrics_exporter == "stdout":
            readers.append(PeriodicExportingMetricReader(ConsoleMetricExporter()))
        self._meters = MeterProvider(readers, resource)
        self._tracers = TracerProvider(resource=resource)
        if settings.traces_exporter == "otlp":
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            self._tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        elif settings.traces_exporter == "stdout":
            self._tracers.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter()))
        self.meter: metrics.Meter = self._meters.get_meter(service)
        self.tracer: trace.Tracer = self._tracers.get_tracer(service)

    def prometheus_page(self) -> tuple[bytes, str]:
        """Return the text of /metrics and its content type; needs `scrape` or the prometheus exporter."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    def close(self) -> None:
        """Flush and stop both providers."""
        self._tracers.shutdown()
        self._meters.shutdown()


@contextmanager
def span(
    tracer: trace.Tracer, name: str, carrier: Mapping[str, str] | None = None, **bound: str
) -> Iterator[trace.Span]:
    """Open a span, child of the `traceparent` in `carrier` if there is one, and bind `bound` to every log line in it."""
    parent: Context | None = propagate.extract(carrier) if carrier else None
    with (
        tracer.start_as_current_span(name, context=parent) as opened,
        structlog.contextvars.bound_contextvars(**bound),
    ):
        yield opened


def current_trace_id() -> str:
    """Return the trace id of the span in force as 32 hex digits, or an empty string."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else ""


def carrier_of(trace_id: str) -> dict[str, str]:
    """Return a carrier for `span` that goes on with a trace of which only the id was written down (a row, a stream entry).

    The parent span is made up: whoever wrote the id has long ended. Anything but 32 hex digits gives an empty carrier.
    """
    if not _TRACE_ID.fullmatch(trace_id) or not int(trace_id, 16):
        return {}
    return {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}


def outgoing_trace_headers() -> dict[str, str]:
    """Return the headers that carry this trace and request to another service: `traceparent`, `X-Request-Id`."""
    headers: dict[str, str] = {}
    propagate.inject(headers)
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if request_id:
        headers["X-Request-Id"] = str(request_id)
    return headers
