from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from observer.domain.action import ActionKind
from observer.domain.decision import Decision, Verdict
from observer.domain.ids import PodRef
from observer.domain.kinds import Kind
from observer.domain.severities import Severity
from observer.ports.actuators import Sink
from observer.telemetry.trace_ids import trace_id_of
from observer.telemetry.tracing import IncidentTracer

SUSPECTED = Decision(
    id="d1",
    at=100.0,
    kind=Kind.SUSPECTED,
    verdict=Verdict.TELL,
    subject="pod shop/cart-1",
    reason="peers",
    text="fails 30 %",
    incident="i1",
    pod=PodRef("shop", "cart-1", "u1"),
    figures={"evidence_score": 17.5, "cut": None},
)
DRAIN = replace(SUSPECTED, id="d2", at=105.0, kind=Kind.DRAIN, verdict=Verdict.ACT, action_kind=ActionKind.DRAIN)
CLOSED = replace(SUSPECTED, id="d3", at=160.0, kind=Kind.CLOSED, reason="fixed")


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
async def tracer(exporter: InMemorySpanExporter) -> AsyncIterator[IncidentTracer]:
    made = IncidentTracer(SimpleSpanProcessor(exporter), most_open=2)
    yield made
    await made.close()


async def test_an_incident_is_one_trace_with_a_child_for_each_decision(
    tracer: IncidentTracer, exporter: InMemorySpanExporter
) -> None:
    sink: Sink = tracer
    for decision in (SUSPECTED, DRAIN, CLOSED):
        await sink.publish(decision)

    below = ("sense", "judge", "attribution", "choose", "guard", "act", "verify", "tell")
    spans = {span.name: span for span in exporter.get_finished_spans() if span.name not in below}
    facts = {name: dict(span.attributes or {}) for name, span in spans.items()}
    assert set(spans) == {"suspected", "drain", "closed", "incident"}
    root = spans["incident"]
    assert {span.context.trace_id for span in spans.values()} == {trace_id_of("i1")}
    assert all(spans[name].parent == root.context for name in ("suspected", "drain", "closed"))
    assert root.parent is None
    assert (root.start_time, root.end_time) == (100 * 10**9, 160 * 10**9)
    assert facts["incident"]["observer.closing"] == "fixed"
    assert facts["drain"]["observer.action"] == "drain"
    assert facts["suspected"]["observer.figure.evidence_score"] == 17.5
    assert "observer.figure.cut" not in facts["suspected"]
    assert facts["suspected"]["k8s.pod.uid"] == "u1"


async def test_a_page_is_an_error(tracer: IncidentTracer, exporter: InMemorySpanExporter) -> None:
    await tracer.publish(replace(SUSPECTED, severity=Severity.PAGE, kind=Kind.PAGE))

    (page,) = [span for span in exporter.get_finished_spans() if span.name == "page"]
    assert page.status.status_code is StatusCode.ERROR


async def test_decisions_outside_incidents_are_not_traced(
    tracer: IncidentTracer, exporter: InMemorySpanExporter
) -> None:
    await tracer.publish(replace(SUSPECTED, incident=""))

    assert exporter.get_finished_spans() == ()


async def test_the_number_of_open_incidents_is_bounded(tracer: IncidentTracer, exporter: InMemorySpanExporter) -> None:
    for number in range(5):
        await tracer.publish(replace(SUSPECTED, incident=f"i{number}", at=100.0 + number))

    assert [span.name for span in exporter.get_finished_spans()].count("incident") == 3


async def test_closing_ends_what_is_open(exporter: InMemorySpanExporter) -> None:
    tracer = IncidentTracer(SimpleSpanProcessor(exporter))
    await tracer.publish(SUSPECTED)
    await tracer.publish(DRAIN)
    await tracer.close()

    root = next(span for span in exporter.get_finished_spans() if span.name == "incident")
    assert root.end_time == 105 * 10**9


async def test_a_trace_goes_on_after_a_restart(exporter: InMemorySpanExporter) -> None:
    for decision in (SUSPECTED, CLOSED):
        tracer = IncidentTracer(SimpleSpanProcessor(exporter))
        await tracer.publish(decision)
        await tracer.close()
        exporter._stopped = False

    assert {span.context.trace_id for span in exporter.get_finished_spans()} == {trace_id_of("i1")}
