"""Traces that go on over tables and streams."""

import pytest

from kit.telemetry import OtelSettings, Telemetry, carrier_of, current_trace_id, span


@pytest.fixture
def telemetry():
    opened = Telemetry("test", OtelSettings(traces_exporter="none", metrics_exporter="none"), scrape=True)
    yield opened
    opened.close()


def test_a_trace_goes_on_from_its_written_id(telemetry: Telemetry) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    with span(telemetry.tracer, "later", carrier_of(trace_id)):
        assert current_trace_id() == trace_id
    assert current_trace_id() == ""


@pytest.mark.parametrize("nonsense", ["", "0" * 32, "4bf9", "4BF92F3577B34DA6A3CE929D0E0E4736", "x" * 32])
def test_what_is_no_trace_id_begins_a_new_trace(telemetry: Telemetry, nonsense: str) -> None:
    assert carrier_of(nonsense) == {}


def test_declared_instruments_appear_on_the_scrape_page(telemetry: Telemetry) -> None:
    telemetry.meter.create_counter("things.done", unit="1", description="things").add(2, {"kind": "a"})
    page, _ = telemetry.prometheus_page()
    assert (
        'things_done_total{kind="a"' in page.decode() or 'things_done_ratio_total{kind="a"' in page.decode()
    )
