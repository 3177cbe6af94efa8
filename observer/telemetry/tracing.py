"""One OpenTelemetry trace an incident: a root span from the suspicion to its end, a child for each decision."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Span, Status, StatusCode

from observer.domain.decision import Decision
from observer.domain.errors import ConfigError
from observer.telemetry.trace_ids import trace_id_of

_NANO = 1_000_000_000
_MOST_OPEN = 1000


class _IncidentIds(RandomIdGenerator):
    """Gives a root span the trace id of its incident, so that logs and a restarted daemon name the same trace."""

    def __init__(self) -> None:
        self.next_trace = 0

    def generate_trace_id(self) -> int:
        return self.next_trace or super().generate_trace_id()


class IncidentTracer:
    """
    Implements ``ports.sinks.Sink``. Decisions without an incident are no part of any trace.

    At most ``most_open`` incidents are followed at once; the oldest is ended when one more begins.
    """

    name = "otel"

    def __init__(self, processor: SpanProcessor, *, most_open: int = _MOST_OPEN) -> None:
        self._ids = _IncidentIds()
        self._provider = TracerProvider(
            resource=Resource({"service.name": "observer"}), id_generator=self._ids, shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("observer")
        self._open: OrderedDict[str, tuple[Span, float]] = OrderedDict()
        self._most_open = most_open

    async def tell(self, decision: Decision) -> None:
        """Add the decision to its incident's trace; ``closed`` ends it."""
        if not decision.incident:
            return
        root = self._root(decision)
        span = self._tracer.start_span(
            decision.kind,
            context=trace.set_span_in_context(root),
            start_time=_nanos(decision.at),
            attributes=_attributes(decision),
        )
        if decision.severity == "page":
            span.set_status(Status(StatusCode.ERROR, decision.text))
        span.end(_nanos(decision.at))
        self._open[decision.incident] = (root, decision.at)
        if decision.kind == "closed":
            root.set_attribute("observer.closing", decision.reason)
            self._end(decision.incident)

    async def close(self) -> None:
        """End what is open at its last decision and hand everything on."""
        for incident in list(self._open):
            self._end(incident)
        await asyncio.to_thread(self._provider.shutdown)

    def _root(self, decision: Decision) -> Span:
        if found := self._open.get(decision.incident):
            return found[0]
        if len(self._open) >= self._most_open:
            self._end(next(iter(self._open)))
        self._ids.next_trace = trace_id_of(decision.incident)
        return self._tracer.start_span(
            "incident",
            context=trace.set_span_in_context(trace.INVALID_SPAN),
            start_time=_nanos(decision.at),
            attributes={"observer.incident": decision.incident, "observer.subject": decision.subject},
        )

    def _end(self, incident: str) -> None:
        root, last = self._open.pop(incident)
        root.end(_nanos(last))


def incident_tracer(endpoint: str) -> IncidentTracer | None:
    """
    A tracer that sends to an OTLP/HTTP collector; None without an endpoint.

    Raises: ConfigError when an endpoint is set and the ``otlp`` extra is not installed.
    """
    if not endpoint:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as exc:
        raise ConfigError(
            "otlp_endpoint is set, but the OTLP exporter is missing: pip install 'observer[otlp]'"
        ) from exc
    address = endpoint if endpoint.rstrip("/").endswith("/v1/traces") else f"{endpoint.rstrip('/')}/v1/traces"
    return IncidentTracer(BatchSpanProcessor(OTLPSpanExporter(endpoint=address, timeout=5)))


def _nanos(at: float) -> int:
    return int(at * _NANO)


def _attributes(decision: Decision) -> dict[str, str | bool | float]:
    facts: dict[str, str | bool | float | None] = {
        "observer.decision": decision.id,
        "observer.verdict": decision.verdict.value,
        "observer.reason": decision.reason,
        "observer.text": decision.text,
        "observer.mode": decision.mode.value,
        "observer.rung": decision.rung.value if decision.rung else None,
        "observer.result": decision.outcome.result.value if decision.outcome else None,
        "observer.holds": ", ".join(hold.reason for hold in decision.holds) or None,
        "k8s.namespace.name": decision.pod.namespace if decision.pod else None,
        "k8s.pod.name": decision.pod.name if decision.pod else None,
        "k8s.pod.uid": decision.pod.uid if decision.pod else None,
    }
    facts |= {f"observer.figure.{key}": value for key, value in decision.figures.items()}
    return {key: value for key, value in facts.items() if value is not None}
