"""The conformance kit on our own engine, each check a test of its own name in the output."""

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from engine.conformance.__main__ import run
from engine.conformance.checks import Bench
from engine.conformance.client import Client
from engine.tests.conftest import ROOT, TOKEN


def test_our_engine_passes_the_conformance_kit(start_engine):
    one, twin = start_engine(), start_engine()
    assert [row for row in run(Bench(one.client, twin.client)) if row[0] != "ok"] == []


def test_the_kit_as_a_command_prints_a_table_and_exits_0(start_engine):
    one, twin = start_engine(), start_engine()
    command = [
        sys.executable,
        "-m",
        "engine.conformance",
        one.address,
        "--token",
        TOKEN,
        "--twin",
        twin.address,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 failed" in done.stdout


def test_the_kit_fails_an_engine_that_is_not_empty(start_engine):
    one = start_engine()
    run(Bench(one.client))
    assert any(row[0] == "FAIL" for row in run(Bench(one.client)))


class _Yes(BaseHTTPRequestHandler):
    """An engine that agrees to everything."""

    def agree(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_PUT = do_POST = agree  # noqa: N815 - names that http.server asks for

    def log_message(self, *_):
        pass


def test_the_kit_fails_an_engine_that_agrees_to_everything():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Yes)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        rows = run(Bench(Client(f"127.0.0.1:{server.server_port}", TOKEN)))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert [fact for mark, fact, _ in rows if mark == "ok"] == ["probes answer without a token"]


def test_the_kit_fails_where_nobody_answers(start_engine):
    one = start_engine()
    one.stop()
    assert all(row[0] in {"FAIL", "skip"} for row in run(Bench(one.client)))
