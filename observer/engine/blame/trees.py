"""Traces as trees: which span called which, what of its time was its own, and who answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from observer.domain.ids import ServiceRef
from observer.domain.traces import Span, SpanSide, TraceSet


@dataclass(frozen=True, slots=True)
class Place:
    """A service with one of its pods; the pod's name is empty when unknown."""

    service: ServiceRef
    pod: str


@dataclass(slots=True)
class Twig:
    """
    One span in its tree.

    Attributes:
        own: seconds not covered by any child: for a call that somebody answered, the time spent on the way.
        answered: the span of whoever answered this call, None for work within the service.
        children: spans called from here.
    """

    span: Span
    place: Place
    own: float
    answered: Twig | None
    children: list[Twig]


def place(span: Span) -> Place:
    """Where a span happened."""
    return Place(ServiceRef(span.namespace, span.service), span.pod)


def trees(traces: TraceSet) -> list[list[Twig]]:
    """The traces, oldest first, each as its spans; spans of one trace are in order of their start."""
    by_trace: dict[str, list[Span]] = {}
    for span in traces.spans:
        if span.service:
            by_trace.setdefault(span.trace, []).append(span)
    found = [_tree(sorted(spans, key=lambda one: (one.start, one.span))) for spans in by_trace.values()]
    return sorted(found, key=lambda twigs: (twigs[0].span.start, twigs[0].span.trace))


def _tree(spans: list[Span]) -> list[Twig]:
    twigs = {span.span: Twig(span, place(span), span.seconds, None, []) for span in spans}
    for twig in twigs.values():
        parent = twigs.get(twig.span.parent)
        if parent is not None and parent is not twig:
            parent.children.append(twig)
    for twig in twigs.values():
        twig.own = _own(twig.span, (child.span for child in twig.children))
        twig.answered = _answer(twig)
        if twig.answered is not None:
            # Two pods have two clocks: only lengths may be compared.
            twig.own = max(twig.span.seconds - twig.answered.span.seconds, 0.0)
    return list(twigs.values())


def _answer(twig: Twig) -> Twig | None:
    """The child that another pod, or the other side of the same call, reported."""
    for child in twig.children:
        sides = twig.span.side is SpanSide.CLIENT and child.span.side is SpanSide.SERVER
        if sides or (twig.span.side is not SpanSide.SERVER and child.place != twig.place):
            return child
    return None


def _own(span: Span, children: Iterable[Span]) -> float:
    """Length less the union of the children's times: parallel calls count once."""
    begin, end = span.start, span.start + span.seconds
    covered, reached = 0.0, begin
    for child in children:
        first = max(child.start, reached)
        last = min(child.start + child.seconds, end)
        if last > first:
            covered += last - first
            reached = last
    return max(span.seconds - covered, 0.0)


def root_seconds(twigs: list[Twig]) -> float:
    """Length of the trace's longest span that nobody in the trace called."""
    known = {twig.span.span for twig in twigs}
    return max((twig.span.seconds for twig in twigs if twig.span.parent not in known), default=0.0)
