"""Logs: one JSON object a line, context on each, no addresses."""

import io
import logging

import orjson
import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider

from kit.logs import EmailHasher, configure_logs, get_logger
from kit.telemetry import span


@pytest.fixture
def lines():
    kept = (logging.getLogger().handlers[:], logging.getLogger().level, structlog.get_config())
    stream = io.StringIO()
    configure_logs("probe", "info", stream)
    yield lambda: [orjson.loads(line) for line in stream.getvalue().splitlines()]
    logging.getLogger().handlers[:] = kept[0]
    logging.getLogger().setLevel(kept[1])
    structlog.reset_defaults()
    structlog.configure(**kept[2])


def test_an_event_is_one_json_object_with_its_fields(lines):
    get_logger("routes").info("route_published", route_id="push:1", count=2)
    (line,) = lines()
    assert {k: line[k] for k in ("event", "component", "service", "level", "route_id", "count")} == {
        "event": "route_published",
        "component": "routes",
        "service": "probe",
        "level": "info",
        "route_id": "push:1",
        "count": 2,
    }
    assert line["time"].endswith("Z")


def test_lower_levels_are_left_out(lines):
    get_logger("x").debug("too_fine")
    assert lines() == []


def test_request_and_trace_stand_on_every_line_inside(lines):
    """backend-runbook:157 backend-runbook:158 backend-runbook:159"""
    tracer = TracerProvider().get_tracer("probe")
    with span(tracer, "request", request_id="req-1"):
        get_logger("x").info("inside")
        logging.getLogger("library").warning("inside too")
    get_logger("x").info("outside")
    first, second, third = lines()
    assert first["request_id"] == second["request_id"] == "req-1"
    assert len(first["otel_trace_id"]) == 32
    assert len(first["otel_span_id"]) == 16
    assert second["otel_trace_id"] == first["otel_trace_id"]
    assert "request_id" not in third


def test_an_exception_is_told_inside_its_line(lines):
    get_logger("x").error("it_broke", exc_info=ValueError("broken"))
    (line,) = lines()
    assert line["exception"][0]["exc_type"] == "ValueError"


def test_addresses_are_hashed_alike_within_a_process_only():
    """backend-runbook:147 backend-runbook:148"""
    hasher = EmailHasher()
    assert hasher("Ada@Example.test ") == hasher("ada@example.test")
    assert len(hasher("ada@example.test")) == 16
    assert hasher("ada@example.test") != EmailHasher()("ada@example.test")
    assert hasher("ada@example.test") != hasher("eve@example.test")
