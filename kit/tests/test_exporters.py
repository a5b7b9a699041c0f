"""Where telemetry goes: to the collector that the settings name, to stdout, to nobody; and nothing is lost at the end."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from pydantic import ValidationError

from kit.telemetry import OtelSettings, Telemetry, span


class Collector:
    """An OTLP collector that remembers what was sent where."""

    def __init__(self) -> None:
        received: list[tuple[str, bytes]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.received = received
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def collector() -> Iterator[Collector]:
    opened = Collector()
    thread = Thread(target=opened.server.serve_forever, daemon=True)
    thread.start()
    yield opened
    opened.server.shutdown()
    opened.server.server_close()
    thread.join(10)


def test_exporters_are_otlp_unless_something_else_is_said() -> None:
    """backend-runbook:150-152."""
    assert (OtelSettings().traces_exporter, OtelSettings().metrics_exporter) == ("otlp", "otlp")
    for name in ("otlp", "none", "stdout"):
        OtelSettings(traces_exporter=name, metrics_exporter=name)
    OtelSettings(metrics_exporter="prometheus")
    with pytest.raises(ValidationError):
        OtelSettings.model_validate({"traces_exporter": "prometheus"})


def test_traces_and_metrics_reach_the_named_collector_and_are_flushed_at_the_end(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """notification-runbook:29-30, notification-runbook:39-40, notification-runbook:67, backend-runbook:150-152."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    telemetry = Telemetry("exporter-test", OtelSettings())
    telemetry.meter.create_counter("things.done").add(1)
    with span(telemetry.tracer, "the last span"):
        pass
    telemetry.close()
    paths = {path for path, _ in collector.received}
    assert paths == {"/v1/traces", "/v1/metrics"}
    sent = b"".join(body for _, body in collector.received)
    assert b"the last span" in sent
    assert b"things.done" in sent
    assert b"exporter-test" in sent


def test_stdout_gets_json_and_nothing_leaves_with_none(collector: Collector) -> None:
    """backend-runbook:150-152. In a process of its own, since stdout belongs to the whole process."""
    script = """
from kit.telemetry import OtelSettings, Telemetry, span
for service, exporter in (("silent", "none"), ("loud", "stdout")):
    telemetry = Telemetry(service, OtelSettings(traces_exporter=exporter, metrics_exporter="none"))
    with span(telemetry.tracer, f"of {service}"):
        pass
    telemetry.close()
"""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert json.loads(ran.stdout)["name"] == "of loud"
    assert collector.received == []
