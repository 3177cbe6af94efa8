"""
One OpenTelemetry trace an incident: a root span from the suspicion to its end, a child for each decision, and below it
one for each step that led to it, from sense to tell. Each decision links to the tick that it was made in.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Span, Status, StatusCode

from observer.domain.decision import Decision
from observer.domain.kinds import Stage, stages_of
from observer.telemetry.otlp import Collector, Origin, span_processor
from observer.telemetry.ticks import TickTracer, nanos, spans_of
from observer.telemetry.trace_ids import root_span_of, trace_id_of

_MOST_OPEN = 1000
_FIGURES = {
    Stage.JUDGE: ("evidence_score", "tier", "bad_rate", "peer_bad_rate", "requests", "bad"),
    Stage.ATTRIBUTION: ("share", "also", "blamed", "ceiling", "ceiling_reason"),
    Stage.VERIFY: ("drain_verdict", "drain_log_odds", "verification", "verify_log_odds", "replacement"),
}
"""The figures that each step is about; the decision's own span has all of them."""


class _ChosenIds(RandomIdGenerator):
    """Gives a root span the ids that follow from what it stands for, so that logs and a restarted daemon agree."""

    def __init__(self) -> None:
        self.next_trace = self.next_span = 0

    def generate_trace_id(self) -> int:
        return self.next_trace or super().generate_trace_id()

    def generate_span_id(self) -> int:
        return self.next_span or super().generate_span_id()


class IncidentTracer:
    """
    Implements ``ports.actuators.Sink``. Decisions without an incident are no part of any trace.

    ``ticks`` makes the traces of ticks. At most ``most_open`` incidents are followed at once; the oldest is ended when
    one more begins. ``now`` tells when a decision is told, Unix seconds; by default its own instant counts.
    """

    name = "otel"

    def __init__(
        self,
        processor: SpanProcessor,
        *,
        most_open: int = _MOST_OPEN,
        now: Callable[[], float] | None = None,
        resource: Resource | None = None,
    ) -> None:
        self._ids, self._now = _ChosenIds(), now
        self._provider = TracerProvider(
            resource=resource or Origin().resource(), id_generator=self._ids, shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("observer")
        self.ticks = TickTracer(self._tracer, self._start)
        self._open: OrderedDict[str, tuple[Span, float]] = OrderedDict()
        self._most_open = most_open

    async def publish(self, decision: Decision) -> None:
        """Add the decision to its incident's trace; ``closed`` ends it."""
        if not decision.incident:
            return
        root = self._root(decision)
        published = max(self._now() if self._now is not None else decision.at, decision.at)
        self._add(decision, root, published)
        self._open[decision.incident] = (root, published)
        if decision.kind == "closed":
            root.set_attribute("observer.closing", decision.reason)
            self._end(decision.incident)
        await asyncio.sleep(0)  # many decisions at once must not keep the loop

    async def close(self) -> None:
        """End what is open at its last decision and hand everything on."""
        for incident in list(self._open):
            self._end(incident)
        self.ticks.close()
        await asyncio.to_thread(self._provider.shutdown)

    def _add(self, decision: Decision, root: Span, published: float) -> None:
        tick = self.ticks.at(decision.at)
        span = self._tracer.start_span(
            decision.kind,
            context=trace.set_span_in_context(root),
            start_time=nanos(decision.at),
            attributes=_attributes(decision),
            links=[tick.link] if tick is not None else [],
        )
        below = trace.set_span_in_context(span)
        stages = stages_of(decision.kind, acts=decision.action is not None)
        for stage, begin, end in spans_of(stages, tick, decision.at, published):
            facts = _of_stage(stage, decision)
            step = self._tracer.start_span(stage.value, context=below, start_time=nanos(begin), attributes=facts)
            step.end(nanos(end))
        if decision.severity == "page":
            span.set_status(Status(StatusCode.ERROR, decision.text))
        span.end(nanos(published))

    def _root(self, decision: Decision) -> Span:
        if open_span := self._open.get(decision.incident):
            return open_span[0]
        if len(self._open) >= self._most_open:
            self._end(next(iter(self._open)))
        trace_id, span_id = trace_id_of(decision.incident), root_span_of(decision.incident)
        span = self._start(trace_id, span_id, "incident", nanos(decision.at))
        span.set_attributes({"observer.incident": decision.incident, "observer.subject": decision.subject})
        return span

    def _start(self, trace_id: int, span_id: int, name: str, start: int) -> Span:
        """A root span under these ids."""
        self._ids.next_trace, self._ids.next_span = trace_id, span_id
        try:
            nobody = trace.set_span_in_context(trace.INVALID_SPAN)
            return self._tracer.start_span(name, context=nobody, start_time=start)
        finally:
            self._ids.next_trace = self._ids.next_span = 0

    def _end(self, incident: str) -> None:
        root, last = self._open.pop(incident)
        root.end(nanos(last))


def incident_tracer(
    collector: Collector, origin: Origin, *, dropped: Callable[[str], None], now: Callable[[], float]
) -> IncidentTracer:
    """
    A tracer that sends to an OTLP/HTTP collector; ``dropped`` is called for each span that is lost.

    Raises: ConfigError when the ``otlp`` extra is not installed.
    """
    return IncidentTracer(span_processor(collector, dropped), now=now, resource=origin.resource())


def _of_stage(stage: Stage, decision: Decision) -> dict[str, str | bool | float]:
    """What one step was about."""
    facts: dict[str, str | bool | float | None] = {
        f"observer.figure.{name}": decision.figures.get(name) for name in _FIGURES.get(stage, ())
    }
    match stage:
        case Stage.CHOOSE:
            facts = {"observer.action": decision.action_kind.value if decision.action_kind else None}
        case Stage.GUARD:
            facts = {"observer.blocked_by": ", ".join(block.reason for block in decision.blocked_by) or None}
        case Stage.ACT:
            facts = {
                "observer.action_id": decision.action.id if decision.action else None,
                "observer.result": decision.outcome.result.value if decision.outcome else None,
            }
        case Stage.TELL:
            facts = {"observer.text": decision.text}
    return {name: value for name, value in facts.items() if value is not None}


def _attributes(decision: Decision) -> dict[str, str | bool | float]:
    facts: dict[str, str | bool | float | None] = {
        "observer.decision": decision.id,
        "observer.verdict": decision.verdict.value,
        "observer.reason": decision.reason,
        "observer.text": decision.text,
        "observer.mode": decision.mode.value,
        "observer.action": decision.action_kind.value if decision.action_kind else None,
        "observer.result": decision.outcome.result.value if decision.outcome else None,
        "observer.blocked_by": ", ".join(block.reason for block in decision.blocked_by) or None,
        "k8s.namespace.name": decision.pod.namespace if decision.pod else None,
        "k8s.pod.name": decision.pod.name if decision.pod else None,
        "k8s.pod.uid": decision.pod.uid if decision.pod else None,
    }
    facts |= {f"observer.figure.{key}": value for key, value in decision.figures.items()}
    return {key: value for key, value in facts.items() if value is not None}
