"""An incident's trace as a collector receives it, over real HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from observer.domain.decision import Decision, Verdict
from observer.telemetry.trace_ids import trace_id_of
from observer.telemetry.tracing import incident_tracer

pytestmark = pytest.mark.integration


class Collector(HTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.got: list[tuple[str, bytes]] = []


class Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, body))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """The test's output stays clean."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_collector_receives_the_incident(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    tracer = incident_tracer(f"http://127.0.0.1:{collector.server_port}/")
    assert tracer is not None

    base = {"verdict": Verdict.TELL, "subject": "pod shop/cart-1", "reason": "fixed", "text": "t", "incident": "i1"}
    for number, kind in enumerate(["suspected", "closed"]):
        await tracer.tell(Decision(id=f"d{number}", at=100.0 + number, kind=kind, **base))  # type: ignore[arg-type]
    await tracer.close()

    assert {path for path, _ in collector.got} == {"/v1/traces"}
    spans = [
        span
        for _, body in collector.got
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert sorted(span.name for span in spans) == ["closed", "incident", "suspected"]
    assert {int.from_bytes(span.trace_id, "big") for span in spans} == {trace_id_of("i1")}
