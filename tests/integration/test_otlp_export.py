"""Traces and metrics as a collector receives them, over real HTTP and as protobuf."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from observer import __version__
from observer.app.telemetry import self_metrics, tracer
from observer.config.settings.read import parse
from observer.domain import names
from observer.domain.action import ActionKind
from observer.domain.errors import ConfigError
from observer.telemetry.otlp import SINK, BoundedSpans, Collector, Origin
from observer.telemetry.trace_ids import root_span_of, span_id_of, tick_trace_of, trace_id_of
from observer.telemetry.tracing import IncidentTracer
from tests.support.fakes import FakeClock
from tests.support.receivers import AT, acted, collecting, told

SECRET = "T0P-S3CRET"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says about OTLP is for others."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


def settings(url: str, more: str = "") -> Any:
    return parse(f"cluster: east\nlease: {{identity: o-1}}\notlp_endpoint: {url}\notlp: {{timeout: 20s{more}}}")


def made(url: str, clock: FakeClock, more: str = "", dropped: Callable[[str], None] = lambda _: None) -> IncidentTracer:
    found = tracer(settings(url, more), clock, dropped)
    assert found is not None
    return found


def by_name(spans: list[Span]) -> dict[str, Span]:
    return {span.name: span for span in spans}


def facts(span: Span) -> dict[str, str]:
    return {one.key: one.value.string_value for one in span.attributes}


@pytest.mark.integration
async def test_an_incident_is_one_trace_from_sense_to_tell_with_links_to_its_ticks() -> None:
    clock = FakeClock(AT)
    async with collecting() as collector:
        one = made(f"{collector.url}/", clock)
        for number, decision in enumerate([told(), acted(ActionKind.DRAIN, at=AT + 5), told("closed", at=AT + 10)]):
            one.ticks.sensed(AT + 5 * number, AT + 5 * number + 0.5, ("jaeger:timeout",) if number else ())
            one.ticks.decided(AT + 5 * number, AT + 5 * number + 1.0, 1)
            clock.at = AT + 5 * number + 2.0
            await one.publish(decision)
            one.ticks.ended(AT + 5 * number, AT + 5 * number + 3.0)
        await one.close()
        spans = collector.spans
    ours = [span for span in spans if int.from_bytes(span.trace_id, "big") == trace_id_of("i1")]
    root = by_name(ours)["incident"]
    assert int.from_bytes(root.span_id, "big") == root_span_of("i1") and not root.parent_span_id
    assert (root.start_time_unix_nano, root.end_time_unix_nano) == (int(AT * 1e9), int((AT + 12) * 1e9))
    decisions = {span.name: span for span in ours if span.parent_span_id == root.span_id}
    assert set(decisions) == {"suspected", "drain", "closed"}
    for number, kind in enumerate(["suspected", "drain", "closed"]):
        (link,) = decisions[kind].links
        at = AT + 5 * number
        assert int.from_bytes(link.trace_id, "big") == tick_trace_of(at)
        assert int.from_bytes(link.span_id, "big") == span_id_of(f"tick:{at!r}")
    steps = {kind: [s for s in ours if s.parent_span_id == span.span_id] for kind, span in decisions.items()}
    assert [span.name for span in steps["suspected"]] == ["sense", "judge", "attribution", "tell"]
    assert [span.name for span in steps["drain"]] == ["sense", "judge", "attribution", "choose", "guard", "act", "tell"]
    assert [span.name for span in steps["closed"]] == ["sense", "verify", "tell"]
    act = by_name(steps["drain"])["act"]
    assert (act.start_time_unix_nano, act.end_time_unix_nano) == (int((AT + 6) * 1e9), int((AT + 7) * 1e9))
    assert facts(act)["observer.result"] == "applied"
    ticks = [span for span in spans if span.name == "tick"]
    assert sorted(int.from_bytes(span.trace_id, "big") for span in ticks) == sorted(
        tick_trace_of(AT + 5 * number) for number in range(3)
    )
    assert {span.name for span in spans if span.parent_span_id == ticks[0].span_id} == {"sense", "decide", "act"}
    assert facts(ticks[1])["observer.tick.gaps"] == "jaeger:timeout"
    assert collector.resources[0] == {
        "service.name": "observer", "service.instance.id": "o-1", "service.version": __version__,
        "k8s.cluster.name": "east",
    }  # fmt: skip
    assert {got.path for got in collector.requests} == {"/v1/traces"}
    assert {got.headers["Content-Encoding"] for got in collector.requests} == {"gzip"}


async def test_a_tick_that_is_cut_short_ends_where_it_stood() -> None:
    exporter = InMemorySpanExporter()
    one = IncidentTracer(SimpleSpanProcessor(exporter))
    one.ticks.sensed(AT, AT + 0.5, ())
    one.ticks.decided(AT, AT + 1.0, 1)
    await one.publish(told())
    await one.close()
    (tick,) = [span for span in exporter.get_finished_spans() if span.name == "tick"]
    (decision,) = [span for span in exporter.get_finished_spans() if span.name == "suspected"]
    linked = decision.links[0].context
    assert (linked.trace_id, linked.span_id) == (tick.context.trace_id, tick.context.span_id)
    assert tick.end_time == int((AT + 1.0) * 1e9)


@pytest.mark.integration
async def test_metrics_go_out_under_their_own_names() -> None:
    async with collecting() as collector:
        metrics = self_metrics(settings(collector.url, ", interval: 1h"))
        metrics.decision("drain", "act")
        metrics.sink_dropped("otlp")
        text = metrics.render().decode()
        await asyncio.to_thread(metrics.close)
        found = collector.metrics
    (point,) = found[names.DECISIONS_TOTAL].sum.data_points
    assert point.as_int == 1 and found[names.DECISIONS_TOTAL].sum.is_monotonic
    assert {one.key: one.value.string_value for one in point.attributes} == {"kind": "drain", "verdict": "act"}
    assert 'observer_decisions_total{kind="drain",verdict="act"} 1.0' in text
    assert collector.resources[0]["k8s.cluster.name"] == "east"
    assert {got.path for got in collector.requests} == {"/v1/metrics"}


@pytest.mark.integration
async def test_what_may_pass_is_sent_again() -> None:
    lost: list[str] = []
    async with collecting((429, {"Retry-After": "0"}), (503, {"Retry-After": "0"}), 200) as collector:
        one = made(collector.url, FakeClock(AT), dropped=lost.append)
        await one.publish(told())
        assert await asyncio.to_thread(one._provider.force_flush)
        await one.close()
        sent = [span.name for span in collector.spans]
    assert "suspected" in sent and lost == []
    assert collector.requests[0].body == collector.requests[1].body == collector.requests[2].body


@pytest.mark.integration
async def test_what_is_refused_is_final_and_counted() -> None:
    lost: list[str] = []
    async with collecting(400) as collector:
        one = made(collector.url, FakeClock(AT), dropped=lost.append)
        await one.publish(told())
        await asyncio.to_thread(one._provider.force_flush)
        assert len(collector.requests) == 1
        await one.close()
    assert lost == [SINK] * 6  # sense, judge, blame, tell, the decision, and the incident when it ended


@pytest.mark.integration
async def test_the_token_is_sent_read_again_and_told_to_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token = tmp_path / "token"
    token.write_text(SECRET)
    async with collecting(401) as collector:
        one = made(collector.url, FakeClock(AT), f", auth: {{bearer_file: {token}}}, headers: {{X-Scope-OrgID: shop}}")
        with caplog.at_level(logging.DEBUG):
            await one.publish(told())
            await asyncio.to_thread(one._provider.force_flush)
            token.write_text("another-one")
            await one.publish(told("closed"))
            await one.close()
        assert SECRET.encode() not in b"".join(got.body for got in collector.requests)
    assert [got.headers["Authorization"] for got in collector.requests] == [f"Bearer {SECRET}", "Bearer another-one"]
    assert collector.requests[0].headers["X-Scope-OrgID"] == "shop"
    assert SECRET not in caplog.text and "another-one" not in caplog.text


@pytest.mark.integration
async def test_a_token_that_cannot_be_read_sends_nothing(tmp_path: Path) -> None:
    token, lost = tmp_path / "token", list[str]()
    token.write_text(SECRET)
    async with collecting() as collector:
        one = made(collector.url, FakeClock(AT), f", auth: {{bearer_file: {token}}}", lost.append)
        token.unlink()
        await one.publish(told())
        await one.close()
    assert collector.requests == [] and len(lost) == 6


class Stuck:
    """An exporter that hands nothing on until it is let."""

    def __init__(self) -> None:
        import threading

        self.gate = threading.Event()
        self.taken = 0

    def export(self, spans: Any) -> Any:
        from opentelemetry.sdk.trace.export import SpanExportResult

        self.gate.wait(60)
        self.taken += len(spans)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing is held."""

    def force_flush(self, timeout_millis: int = 0) -> bool:
        return True


async def test_while_the_collector_hangs_the_queue_is_bounded_and_what_is_lost_is_counted() -> None:
    stuck, lost = Stuck(), list[str]()
    one = IncidentTracer(BoundedSpans(stuck, lost.append, most=10))  # type: ignore[arg-type]
    for number in range(8):
        await one.publish(told(id=str(number)))  # five spans each
    assert lost == [SINK] * 30
    stuck.gate.set()
    await one.close()
    assert stuck.taken + len(lost) == 41  # and the incident's own


@pytest.mark.parametrize("endpoint", ["http://c:4318", "http://c:4318/", "http://c:4318/v1/traces"])
def test_addresses(endpoint: str) -> None:
    collector = Collector(endpoint)
    assert collector.address("traces") == "http://c:4318/v1/traces"
    assert collector.address("metrics") == "http://c:4318/v1/metrics"


def test_what_is_not_wanted_is_not_made() -> None:
    assert tracer(parse(""), FakeClock(), lambda _: None) is None
    off = settings("http://127.0.0.1:1", ", traces: false, metrics: false")
    assert tracer(off, FakeClock(), lambda _: None) is None
    self_metrics(off).close()
    assert Origin().resource().attributes["service.name"] == "observer"


@pytest.mark.parametrize("ask", [lambda s: tracer(s, FakeClock(), lambda _: None), self_metrics])
def test_without_the_extra_the_message_says_what_to_install(
    ask: Callable[[Any], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("opentelemetry.exporter.otlp")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    with pytest.raises(ConfigError, match=r"pip install 'observer\[otlp\]'"):
        ask(settings("http://127.0.0.1:1"))
